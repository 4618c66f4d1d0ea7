/** What scrub reads of the rows, in pages by id: it is slow, and nobody waits for it. */
import { digestFromBytes, type Digest } from '#oci/digest.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'
import { firstRepositoryName } from './repositories.ts'

/** Where a page begins and how long it is at most. */
export interface IdPage {
  readonly afterId: number
  readonly limit: number
}

/** Those of the keys that a blob's row names, or that wait for their deletion (a push that is not committed yet has such a note, too). */
export async function knownKeys(reader: Reader | Transactor, store: string, keys: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>()
  for (const chunk of inChunks(keys)) {
    for (const table of ['blobs', 'blob_deletions'] as const) {
      const rows = await reader.selectFrom(table).select('key').where('store', '=', store).where('key', 'in', chunk).execute()
      for (const { key } of rows) known.add(key)
    }
  }
  return known
}

/** How many rows of a kind a pass that is behind `afterId` has before it. Walks an index: milliseconds for a hundred thousand rows. */
export async function countRowsAfter(reader: Reader, table: 'blobs' | 'manifests' | 'tags', afterId: number): Promise<number> {
  const { rows } = await reader
    .selectFrom(table)
    .select((eb) => eb.fn.countAll<number>().as('rows'))
    .where('id', '>', afterId)
    .executeTakeFirstOrThrow()
  return Number(rows)
}

/** A manifest with what its rows say of it. */
export interface ScrubbedManifest {
  readonly id: number
  readonly repositoryId: number
  readonly repository: string
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  readonly payload: Uint8Array
}

/** Manifests of repositories that are neither in the trash nor hold what is. */
export async function manifestsAfter(reader: Reader, { afterId, limit }: IdPage): Promise<ScrubbedManifest[]> {
  const rows = await reader
    .selectFrom('manifests as m')
    .innerJoin('repositories as r', 'r.id', 'm.repository_id')
    .select(['m.id', 'm.repository_id as repositoryId', 'r.name as repository', 'm.digest', 'm.media_type as mediaType'])
    .select(['m.size_bytes as sizeBytes', 'm.payload'])
    .where('m.id', '>', afterId)
    .where('r.name', '>=', firstRepositoryName)
    .orderBy('m.id')
    .limit(limit)
    .execute()
  return rows.map(({ digest, ...row }) => ({ ...row, digest: digestFromBytes(digest) }))
}

/** Digests that the manifest's references name and that its repository has: blobs by their links, manifests by their rows. */
export async function digestsAtHand(reader: Reader, manifest: Pick<ScrubbedManifest, 'id' | 'repositoryId'>): Promise<Set<Digest>> {
  const blobs = await reader
    .selectFrom('manifest_blobs as mb')
    .innerJoin('blobs as b', 'b.id', 'mb.blob_id')
    .innerJoin('repository_blobs as rb', (join) => join.onRef('rb.blob_id', '=', 'b.id').on('rb.repository_id', '=', manifest.repositoryId))
    .select('b.digest')
    .where('mb.manifest_id', '=', manifest.id)
    .execute()
  const children = await reader
    .selectFrom('manifest_children as mc')
    .innerJoin('manifests as m', (join) => join.onRef('m.digest', '=', 'mc.child_digest').on('m.repository_id', '=', manifest.repositoryId))
    .select('m.digest')
    .where('mc.manifest_id', '=', manifest.id)
    .execute()
  return new Set([...blobs, ...children].map(({ digest }) => digestFromBytes(digest)))
}

/** A tag with whether it points at a manifest of its own repository. */
export interface ScrubbedTag {
  readonly id: number
  readonly name: string
  readonly repository: string
  readonly isWhole: boolean
}

/** Tags in order of their ids, those in the trash too: they come back as they are. */
export async function tagsAfter(reader: Reader, { afterId, limit }: IdPage): Promise<ScrubbedTag[]> {
  const rows = await reader
    .selectFrom('tags as t')
    .leftJoin('repositories as r', 'r.id', 't.repository_id')
    .leftJoin('manifests as m', (join) => join.onRef('m.id', '=', 't.manifest_id').onRef('m.repository_id', '=', 't.repository_id'))
    .select(['t.id', 't.name', 'r.name as repository', 'm.id as manifestId'])
    .where('t.id', '>', afterId)
    .orderBy('t.id')
    .limit(limit)
    .execute()
  return rows.map(({ id, name, repository, manifestId }) => ({
    id,
    name,
    repository: repository ?? '',
    isWhole: repository !== null && manifestId !== null,
  }))
}

/** Some of the manifests that need the blob, for people: `repository@digest`. */
export async function neededBy(reader: Reader | Transactor, blobId: number, limit: number): Promise<string[]> {
  const rows = await reader
    .selectFrom('manifest_blobs as mb')
    .innerJoin('manifests as m', 'm.id', 'mb.manifest_id')
    .innerJoin('repositories as r', 'r.id', 'm.repository_id')
    .select(['r.name', 'm.digest'])
    .where('mb.blob_id', '=', blobId)
    .where('r.name', '>=', firstRepositoryName)
    .orderBy('mb.id')
    .limit(limit)
    .execute()
  return rows.map(({ name, digest }) => `${name}@${digestFromBytes(digest)}`)
}
