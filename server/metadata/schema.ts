/**
 * The tables, as Kysely sees them. Portable between SQLite and PostgreSQL: bigint ids, instants as int64 milliseconds, booleans as 0/1,
 * digests as bytes (see oci/digest.ts), JSON as text, no arrays. Defaults are for rows of before only
 * (columns that a migration added): the program writes every value.
 * To change a table, add a migration in migrations/ and mirror it here.
 */
import type { Generated } from 'kysely'
import type {
  GrantsTable,
  GroupMembersTable,
  GroupsTable,
  IdentitiesTable,
  LoginFailuresTable,
  ProvidersTable,
  RobotTrustsTable,
  RobotsTable,
  RolesTable,
  SecondFactorsTable,
  SessionsTable,
  SigningKeysTable,
  TokensTable,
  UsersTable,
} from './schema-access.ts'
import type { AcmeAccountsTable, AcmeChallengesTable, CertificatesTable } from './schema-certificates.ts'
import type { NodesTable } from './schema-nodes.ts'
import type {
  ImmutableRulesTable,
  JobLinesTable,
  JobsTable,
  LeasesTable,
  ManifestPullsTable,
  ProjectBlobsTable,
  QuotasTable,
  RetentionDecisionsTable,
  RetentionPoliciesTable,
  RetentionRunsTable,
  SchedulesTable,
  ScrubFindingsTable,
  StatisticsTable,
  TagPullsTable,
  TrashTable,
  UsageChangesTable,
  UsageRecountsTable,
  UsageTotalsTable,
} from './schema-lifecycle.ts'

/** A project is a name prefix; the longest one that fits a repository's name owns it, else the default project. */
export interface ProjectsTable {
  id: Generated<number>
  name: string
  is_default: number
  created_at: number
  /** 1: whoever asks, without an account too, sees and pulls. */
  is_public: Generated<number>
  description: Generated<string>
  /** Name of who made it; empty for the default project. */
  created_by: Generated<string>
  /** JSON object; its shape is the room `projects`'. */
  settings: Generated<string>
  /** Counts changes of the row, for ETags. */
  version: Generated<number>
  updated_at: Generated<number>
  /** What it was called before it went into the trash; empty for a live one. In the trash its name is none that a client can write. */
  trashed_name: Generated<string>
}

/**
 * Repositories by name, which is unique over all projects; also those in the trash, those that hold what of a live one is in the trash, and those that
 * are being deleted: under names that no client can write and that sort before all others (repositories.ts).
 */
export interface RepositoriesTable {
  id: Generated<number>
  project_id: number
  name: string
  created_at: number
  description: Generated<string>
  /** Counts changes of the description, for ETags; what is pushed does not count. */
  version: Generated<number>
  /** Last change of what is in it, or of its description; 0 in rows of before. */
  updated_at: Generated<number>
  /** What it was called before it went into the trash; empty for a live one. */
  trashed_name: Generated<string>
  /** The live repository whose deleted manifests this one holds; null for all others. */
  trash_of: Generated<number | null>
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
  /** When it came from another store; null: it never did. */
  placed_at: Generated<number | null>
}

/** Which repositories a blob may be pulled from. */
export interface RepositoryBlobsTable {
  id: Generated<number>
  repository_id: number
  blob_id: number
  created_at: number
  /** 1: it counts in the usage of the repository and its projects: a live manifest needs it, or it was pushed a moment ago. */
  is_counted: Generated<number>
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
  /** The manifest's. */
  repository_id: Generated<number>
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
  /** From then on it goes by itself. */
  expires_at: Generated<number | null>
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
  /** Why, where it was no push, tagging or delete that somebody asked for: `restored`, `retention`, `expiry`, `untagged`. */
  reason: Generated<string>
}

/** Uploads that may go on. A row says what is durable; the bytes are the store's. */
export interface UploadSessionsTable {
  id: Generated<number>
  upload_id: string
  repository_id: number
  /** Who started it, by name; empty for anonymous. */
  actor: string
  /** Who started it, as `Principal.key`: only they may go on. */
  actor_key: Generated<string>
  algorithm: string
  offset_bytes: number
  /** Digest of the first offset_bytes bytes in `algorithm`. */
  digest_so_far: Buffer
  store: string
  started_at: number
  updated_at: number
  /** The process that writes to it; empty: none, or one that is alone on the database. */
  holder: Generated<string>
  /** From then on anybody may take it. */
  holder_until: Generated<number>
  /** Counts the takings. */
  fence: Generated<number>
}

/** Keys whose bytes go once no request can still be reading them. */
export interface BlobDeletionsTable {
  id: Generated<number>
  store: string
  key: string
  size_bytes: number
  delete_after: number
  /** 1: of a push that is not committed yet; 0: no request writes to the key any more. */
  is_push: Generated<number>
}

/** What lost a reference and awaits a look by garbage collection. */
export interface GarbageReviewsTable {
  id: Generated<number>
  kind: 'blob' | 'manifest' | 'link'
  /** blobs.id, manifests.id or repository_blobs.id; may be gone by then. */
  target_id: number
  review_after: number
  /** When it lost what kept it; 0: not known, or a long time ago. */
  since: Generated<number>
}

/** Labels that people put on manifests; without a project they are for all. */
export interface LabelsTable {
  id: Generated<number>
  project_id: number | null
  name: string
  /** `#rrggbb`. */
  color: string
  description: string
  version: number
  created_at: number
  updated_at: number
}

/** Which manifests have which labels. */
export interface ManifestLabelsTable {
  id: Generated<number>
  manifest_id: number
  label_id: number
  created_at: number
}

/** Former names of projects and repositories, which lead to where they are now. */
export interface NameRedirectsTable {
  id: Generated<number>
  kind: 'project' | 'repository'
  old_name: string
  name: string
  created_at: number
}

/** Proof that no event row between the two ids was changed or removed: a chain of hashes. */
export interface EventSealsTable {
  id: Generated<number>
  first_id: number
  last_id: number
  count: number
  hash: Buffer
  at: number
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
  /** `success`, or `failure` for what was refused. */
  outcome: Generated<'success' | 'failure'>
  /** Why it was refused: an error code. */
  reason: Generated<string>
  /** Name of the project that it is about, as it was then; empty for none. */
  project: Generated<string>
  /** Its row, which keeps its id when the name changes; null for none, and for a project that was not there. */
  project_id: Generated<number | null>
  /** What it is about when that is no repository, digest or tag: `user:alice`, `provider:corp`. */
  target: Generated<string>
  /** `Principal.key`. */
  actor_key: Generated<string>
  /** Kind and id of the credential: `password`, `personal:12`, `robot:7`, `session:3`. Never the secret. */
  credential: Generated<string>
  address: Generated<string>
  user_agent: Generated<string>
  /** More than 1 for aggregated happenings. */
  count: Generated<number>
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
  providers: ProvidersTable
  identities: IdentitiesTable
  groups: GroupsTable
  group_members: GroupMembersTable
  second_factors: SecondFactorsTable
  login_failures: LoginFailuresTable
  roles: RolesTable
  robots: RobotsTable
  grants: GrantsTable
  tokens: TokensTable
  sessions: SessionsTable
  signing_keys: SigningKeysTable
  robot_trusts: RobotTrustsTable
  labels: LabelsTable
  manifest_labels: ManifestLabelsTable
  name_redirects: NameRedirectsTable
  events: EventsTable
  event_seals: EventSealsTable
  settings: SettingsTable
  jobs: JobsTable
  job_lines: JobLinesTable
  schedules: SchedulesTable
  leases: LeasesTable
  trash: TrashTable
  usage_totals: UsageTotalsTable
  usage_changes: UsageChangesTable
  project_blobs: ProjectBlobsTable
  usage_recounts: UsageRecountsTable
  quotas: QuotasTable
  immutable_rules: ImmutableRulesTable
  retention_policies: RetentionPoliciesTable
  retention_runs: RetentionRunsTable
  retention_decisions: RetentionDecisionsTable
  tag_pulls: TagPullsTable
  manifest_pulls: ManifestPullsTable
  scrub_findings: ScrubFindingsTable
  statistics: StatisticsTable
  certificates: CertificatesTable
  acme_accounts: AcmeAccountsTable
  acme_challenges: AcmeChallengesTable
  nodes: NodesTable
}
