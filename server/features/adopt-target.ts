/** Where an adoption puts what it finds: the database, or nowhere when it only looks (a dry run). */
import { findRepositoryId } from '#metadata/repositories.ts'
import { inChunks } from '#metadata/in-chunks.ts'
import type { Metadata } from '#metadata/metadata.ts'
import type { Ports } from '#lib/ports.ts'
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { addBlobs, addManifests, type FoundBlob, type MissingReference } from './adopt-rows.ts'
import type { FoundManifest } from '#registry/found-manifest.ts'
import { addTags, type FoundTag, type TagsOutput } from './adopt-tag-rows.ts'

/** Takes what was found, batch by batch, and says what of it is new and what is missing here. */
export interface AdoptionTarget {
  /** Those that are known and whose bytes were found wrong before. */
  quarantined(digests: readonly Digest[]): Promise<ReadonlySet<Digest>>
  /** Those that are no manifests of the repository yet. */
  unknownManifests(repository: RepositoryName, digests: readonly Digest[]): Promise<readonly Digest[]>
  addBlobs(repository: RepositoryName, blobs: readonly FoundBlob[]): Promise<{ added: number; bytes: number; leaving: readonly Digest[] }>
  addManifests(
    repository: RepositoryName,
    manifests: readonly FoundManifest[],
  ): Promise<{ added: number; missing: readonly MissingReference[] }>
  addTags(repository: RepositoryName, tags: readonly FoundTag[]): Promise<TagsOutput>
}

/** What it takes to write rows. An adopted blob is leased for `garbageDelayMs`. */
export interface DatabaseTargetParts {
  readonly metadata: Metadata
  /** Name of the blob store over the directory, for the rows. */
  readonly storeName: string
  readonly garbageDelayMs: number
  readonly clock: Ports['clock']
}

/** Adds rows, a transaction a call. */
export function databaseTarget({ metadata, storeName, garbageDelayMs, clock }: DatabaseTargetParts): AdoptionTarget {
  return {
    async quarantined(digests) {
      const found = new Set<Digest>()
      for (const chunk of inChunks(digests)) {
        const bytes = chunk.map(digestToBytes)
        const rows = await metadata.reader
          .selectFrom('blobs')
          .select('digest')
          .where('digest', 'in', bytes)
          .where('state', '=', 'quarantined')
          .execute()
        for (const row of rows) found.add(digestFromBytes(row.digest))
      }
      return found
    },
    async unknownManifests(repository, digests) {
      const repositoryId = await findRepositoryId(metadata.reader, repository)
      if (repositoryId === undefined) return digests
      const known = new Set<Digest>()
      for (const chunk of inChunks(digests)) {
        const bytes = chunk.map(digestToBytes)
        const rows = await metadata.reader
          .selectFrom('manifests')
          .select('digest')
          .where('repository_id', '=', repositoryId)
          .where('digest', 'in', bytes)
          .execute()
        for (const row of rows) known.add(digestFromBytes(row.digest))
      }
      return digests.filter((digest) => !known.has(digest))
    },
    addBlobs(repository, blobs) {
      const now = clock.now()
      return metadata.write(addBlobs, { repository, store: storeName, now, leaseUntil: now + garbageDelayMs, blobs })
    },
    addManifests: (repository, manifests) => metadata.write(addManifests, { repository, now: clock.now(), manifests }),
    addTags: (repository, tags) => metadata.write(addTags, { repository, now: clock.now(), tags }),
  }
}

/** Changes nothing and judges by the directory alone. Remembers the manifests of the repositories it is shown. */
export function dryTarget(): AdoptionTarget {
  const manifests = new Map<RepositoryName, Set<Digest>>()
  return {
    quarantined: () => Promise.resolve(new Set()),
    unknownManifests: (repository, digests) => Promise.resolve(digests.filter((digest) => !manifests.get(repository)?.has(digest))),
    addBlobs: () => Promise.resolve({ added: 0, bytes: 0, leaving: [] }),
    async addManifests(repository, found) {
      const known = manifests.get(repository) ?? new Set()
      manifests.set(repository, known)
      for (const manifest of found) known.add(manifest.digest)
      const missing = found.flatMap((manifest) =>
        manifest.blobs
          .filter((blob) => !blob.isPresent && !blob.isOptional)
          .map((blob) => ({ manifest: manifest.digest, blob: blob.digest })),
      )
      return { added: 0, missing }
    },
    async addTags(repository, tags) {
      const known = manifests.get(repository)
      manifests.delete(repository)
      const dangling = tags.filter((tag) => !known?.has(tag.digest)).map((tag) => tag.name)
      return { added: 0, moved: 0, kept: 0, dangling }
    },
  }
}
