/**
 * The tables, as Kysely sees them. Portable between SQLite and PostgreSQL: bigint ids, instants as int64 milliseconds, booleans as 0/1,
 * digests as bytes (see oci/digest.ts), JSON as text, no arrays, no database defaults but the ids.
 * To change a table, add a migration in migrations/ and mirror it here.
 */
import type { Generated } from 'kysely'

/** A project is a name prefix; the longest one that fits a repository's name owns it, else the default project. */
export interface ProjectsTable {
  id: Generated<number>
  name: string
  is_default: number
  created_at: number
}

/** Repositories by name, which is unique over all projects; also those that are being deleted, under a tombstone's name. */
export interface RepositoriesTable {
  id: Generated<number>
  project_id: number
  name: string
  created_at: number
}

/** One row a digest: where its bytes are. No row, or state `quarantined`: the blob is missing for everyone and a push heals it. */
export interface BlobsTable {
  id: Generated<number>
  digest: Buffer
  size_bytes: number
  /** `live`, or `quarantined` when its bytes were found wrong. */
  state: 'live' | 'quarantined'
  /** Until then an unreferenced blob is safe from garbage collection; extended by every answer that lets a client skip an upload. */
  lease_until: number
  store: string
  key: string
  created_at: number
}

/** Which repositories a blob may be pulled from. */
export interface RepositoryBlobsTable {
  id: Generated<number>
  repository_id: number
  blob_id: number
  created_at: number
}

/** Manifests with their bytes. One digest in two repositories is two rows. */
export interface ManifestsTable {
  id: Generated<number>
  repository_id: number
  digest: Buffer
  media_type: string
  /** The manifest's artifactType, else its config's media type; null for an index without one. */
  artifact_type: string | null
  subject_digest: Buffer | null
  /** JSON object; kept only for manifests with a subject, for the referrers list. */
  annotations: string | null
  size_bytes: number
  payload: Buffer
  created_at: number
}

/** Blobs that a manifest needs: its config, its layers, and entries of an index that are blobs (BuildKit caches). */
export interface ManifestBlobsTable {
  id: Generated<number>
  manifest_id: number
  blob_id: number
}

/** Manifests that an index lists, by digest, whether they are here (sparse indexes: some are not). */
export interface ManifestChildrenTable {
  id: Generated<number>
  manifest_id: number
  child_digest: Buffer
}

/** Where each tag points now; where it pointed before is in `tag_history`. */
export interface TagsTable {
  id: Generated<number>
  repository_id: number
  name: string
  manifest_id: number
  created_at: number
  updated_at: number
}

/** Every value a tag ever had: `digest` null means deleted at `at`. */
export interface TagHistoryTable {
  id: Generated<number>
  repository_id: number
  name: string
  digest: Buffer | null
  previous_digest: Buffer | null
  at: number
  actor: string
}

/** Uploads that may go on. A row says what is durable; the bytes are the store's. */
export interface UploadSessionsTable {
  id: Generated<number>
  upload_id: string
  repository_id: number
  /** Who started it; only they may go on. Empty for anonymous. */
  actor: string
  algorithm: string
  offset_bytes: number
  /** Digest of the first offset_bytes bytes in `algorithm`. */
  digest_so_far: Buffer
  store: string
  started_at: number
  updated_at: number
}

/** Keys whose bytes go once no request can still be reading them. */
export interface BlobDeletionsTable {
  id: Generated<number>
  store: string
  key: string
  size_bytes: number
  delete_after: number
}

/** What lost a reference and awaits a look by garbage collection. */
export interface GarbageReviewsTable {
  id: Generated<number>
  kind: 'blob' | 'manifest'
  /** blobs.id or manifests.id; may be gone by then. */
  target_id: number
  review_after: number
}

/** The accounts that Berth itself keeps; users of an htpasswd file are not here. */
export interface UsersTable {
  id: Generated<number>
  name: string
  /** PHC string, argon2id. */
  password_hash: string
  is_admin: number
  created_at: number
  updated_at: number
}

/** What happened; the row is the audit record. */
export interface EventsTable {
  id: Generated<number>
  at: number
  action: string
  repository: string | null
  digest: Buffer | null
  tag: string | null
  actor: string
  request_id: string
  /** JSON object. */
  detail: string
}

/** Small facts of this installation, one row each: progress of an adoption, instance id. */
export interface SettingsTable {
  id: Generated<number>
  name: string
  /** JSON. */
  value: string
}

/** All tables by name, for Kysely. */
export interface Database {
  projects: ProjectsTable
  repositories: RepositoriesTable
  blobs: BlobsTable
  repository_blobs: RepositoryBlobsTable
  manifests: ManifestsTable
  manifest_blobs: ManifestBlobsTable
  manifest_children: ManifestChildrenTable
  tags: TagsTable
  tag_history: TagHistoryTable
  upload_sessions: UploadSessionsTable
  blob_deletions: BlobDeletionsTable
  garbage_reviews: GarbageReviewsTable
  users: UsersTable
  events: EventsTable
  settings: SettingsTable
}
