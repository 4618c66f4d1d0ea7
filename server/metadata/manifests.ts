/** The tables `manifests`, `manifest_blobs` and `manifest_children`. */
import { sql } from 'kysely'
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { dialectOf } from './dialect.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import { later } from './together.ts'

/** A manifest without its bytes. */
export interface ManifestFacts {
  readonly manifestId: number
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
}

interface FactsRow {
  readonly id: number | null
  readonly digest: Buffer | null
  readonly media_type: string | null
  readonly size_bytes: number | null
}

const byTag = prepare<{ name: string; tag: string }, FactsRow>((db, param) =>
  db
    .selectFrom('repositories as r')
    .leftJoin('tags as t', (join) => join.on((eb) => eb.and([eb('t.repository_id', '=', eb.ref('r.id')), eb('t.name', '=', param('tag'))])))
    .leftJoin('manifests as m', 'm.id', 't.manifest_id')
    .select(['m.id', 'm.digest', 'm.media_type', 'm.size_bytes'])
    .where('r.name', '=', param('name')),
)

const byDigest = prepare<{ name: string; digest: Buffer }, FactsRow>((db, param) =>
  db
    .selectFrom('repositories as r')
    .leftJoin('manifests as m', (join) =>
      join.on((eb) => eb.and([eb('m.repository_id', '=', eb.ref('r.id')), eb('m.digest', '=', param('digest'))])),
    )
    .select(['m.id', 'm.digest', 'm.media_type', 'm.size_bytes'])
    .where('r.name', '=', param('name')),
)

const payloadById = prepare<{ id: number }, { payload: Buffer }>((db, param) =>
  db.selectFrom('manifests').select('payload').where('id', '=', param('id')),
)

function factsOf(row: FactsRow): ManifestFacts | undefined {
  if (row.id === null || row.digest === null || row.media_type === null || row.size_bytes === null) return undefined
  return { manifestId: row.id, digest: digestFromBytes(row.digest), mediaType: row.media_type, sizeBytes: row.size_bytes }
}

/** What a client names a manifest by. */
export type ManifestReference = { readonly kind: 'tag'; readonly tag: Tag } | { readonly kind: 'digest'; readonly digest: Digest }

/** One indexed read, by tag or by digest; `'no-repository'` when there is no such repository. */
export async function findManifest(
  reader: Reader,
  repository: RepositoryName,
  reference: ManifestReference,
): Promise<ManifestFacts | 'no-repository' | undefined> {
  const [row] =
    reference.kind === 'tag'
      ? await byTag(reader, { name: repository, tag: reference.tag })
      : await byDigest(reader, { name: repository, digest: digestToBytes(reference.digest) })
  return row === undefined ? 'no-repository' : factsOf(row)
}

/** The bytes of a manifest; undefined when it was deleted meanwhile. */
export async function manifestPayload(reader: Reader, manifestId: number): Promise<Uint8Array | undefined> {
  return (await payloadById(reader, { id: manifestId }))[0]?.payload
}

/** Ids of those digests that are manifests of the repository. */
export async function manifestsOfRepository(
  reader: Reader | Transactor,
  repositoryId: number,
  digests: readonly Digest[],
): Promise<Map<Digest, number>> {
  const found = new Map<Digest, number>()
  for (const chunk of inChunks(digests)) {
    const rows = await reader
      .selectFrom('manifests')
      .select(['id', 'digest'])
      .where('repository_id', '=', repositoryId)
      .where('digest', 'in', chunk.map(digestToBytes))
      .execute()
    for (const row of rows) found.set(digestFromBytes(row.digest), row.id)
  }
  return found
}

/** What {@link insertManifest} stores. `now` is in milliseconds. */
export interface NewManifest {
  readonly repositoryId: number
  readonly digest: Digest
  readonly mediaType: string
  readonly artifactType: string | undefined
  readonly subject: Digest | undefined
  /** JSON. */
  readonly annotations: string | undefined
  readonly payload: Uint8Array
  readonly now: number
}

interface ManifestParams extends Record<string, unknown> {
  readonly repository_id: number
  readonly digest: Buffer
  readonly media_type: string
  readonly artifact_type: string | null
  readonly subject_digest: Buffer | null
  readonly annotations: string | null
  readonly size_bytes: number
  readonly created_at: number
  readonly payload: Buffer
}

const insertRow = prepare<ManifestParams, { id: number }>((db, param) =>
  db
    .insertInto('manifests')
    .values({
      repository_id: param('repository_id'),
      digest: param('digest'),
      media_type: param('media_type'),
      artifact_type: param('artifact_type'),
      subject_digest: param('subject_digest'),
      annotations: param('annotations'),
      size_bytes: param('size_bytes'),
      created_at: param('created_at'),
      payload: param('payload'),
    })
    .onConflict((conflict) => conflict.columns(['repository_id', 'digest']).doNothing())
    .returning('id'),
)

/** Inserts the manifest, or finds it; a stored payload that differs (bit rot) is replaced by the proven bytes, which may be longer or shorter. */
export async function insertManifest(
  tx: Transactor,
  manifest: NewManifest,
): Promise<{ readonly manifestId: number; readonly isNew: boolean; readonly grownBytes: number }> {
  const payload = Buffer.from(manifest.payload.buffer, manifest.payload.byteOffset, manifest.payload.byteLength)
  const [inserted] = await insertRow(tx, {
    repository_id: manifest.repositoryId,
    digest: digestToBytes(manifest.digest),
    media_type: manifest.mediaType,
    artifact_type: manifest.artifactType ?? null,
    subject_digest: manifest.subject === undefined ? null : digestToBytes(manifest.subject),
    annotations: manifest.annotations ?? null,
    size_bytes: payload.length,
    created_at: manifest.now,
    payload,
  })
  if (inserted !== undefined) return { manifestId: inserted.id, isNew: true, grownBytes: payload.length }
  const { id, size_bytes: sizeBytes } = await tx
    .selectFrom('manifests')
    .select(['id', 'size_bytes'])
    .where('repository_id', '=', manifest.repositoryId)
    .where('digest', '=', digestToBytes(manifest.digest))
    .$if(dialectOf(tx) === 'postgres', (query) => query.forNoKeyUpdate())
    .executeTakeFirstOrThrow()
  await tx
    .updateTable('manifests')
    .set({ payload, size_bytes: payload.length })
    .where('id', '=', id)
    .where('payload', '<>', payload)
    .execute()
  return { manifestId: id, isNew: false, grownBytes: payload.length - sizeBytes }
}

/**
 * What a manifest needs (blobs that are here) and what it names by digest only (children, and blobs that are yet to come). Gives the ids of those blobs that
 * it had not needed before; of a manifest that is new (`isNew`) those are all.
 */
export async function insertReferences(
  tx: Transactor,
  { repositoryId, manifestId, isNew = false }: { readonly repositoryId: number; readonly manifestId: number; readonly isNew?: boolean },
  references: { readonly blobIds: readonly number[]; readonly digests: readonly Digest[] },
): Promise<number[]> {
  const inserted: number[] = []
  for (const chunk of inChunks(references.blobIds)) {
    const insert = tx
      .insertInto('manifest_blobs')
      .values(chunk.map((blobId) => ({ manifest_id: manifestId, blob_id: blobId, repository_id: repositoryId })))
      .onConflict((conflict) => conflict.columns(['manifest_id', 'blob_id']).doNothing())
    if (isNew) await later(tx, insert.execute())
    else for (const row of await insert.returning('blob_id').execute()) inserted.push(row.blob_id)
  }
  if (isNew) inserted.push(...references.blobIds)
  for (const chunk of inChunks(references.digests)) {
    const insert = tx
      .insertInto('manifest_children')
      .values(chunk.map((digest) => ({ manifest_id: manifestId, child_digest: digestToBytes(digest) })))
      .onConflict((conflict) => conflict.columns(['manifest_id', 'child_digest']).doNothing())
    await later(tx, insert.execute())
  }
  return inserted
}

/** The manifests of the same repository that these ones list, each once: one step down. */
export async function childrenOf(tx: Transactor, manifestIds: readonly number[]): Promise<number[]> {
  const children = new Set<number>()
  for (const chunk of inChunks(manifestIds)) {
    const rows = await tx
      .selectFrom('manifest_children as mc')
      .innerJoin('manifests as parent', 'parent.id', 'mc.manifest_id')
      .innerJoin('manifests as child', (join) =>
        join.onRef('child.repository_id', '=', 'parent.repository_id').onRef('child.digest', '=', 'mc.child_digest'),
      )
      .select('child.id')
      .distinct()
      .where('mc.manifest_id', 'in', chunk)
      .execute()
    for (const row of rows) children.add(row.id)
  }
  return [...children]
}

/** Up to `limit` digests of manifests of the repository that need the blob. */
export async function manifestsWithBlob(tx: Transactor, repositoryId: number, blobId: number, limit: number): Promise<Digest[]> {
  const rows = await tx
    .selectFrom('manifest_blobs as mb')
    .innerJoin('manifests as m', 'm.id', 'mb.manifest_id')
    .select('m.digest')
    .where('mb.blob_id', '=', blobId)
    .where('m.repository_id', '=', repositoryId)
    .limit(limit)
    .execute()
  return rows.map((row) => digestFromBytes(row.digest))
}

/** Any manifests of the repository. */
export async function someManifests(
  tx: Transactor,
  repositoryId: number,
  limit: number,
): Promise<{ readonly manifestId: number; readonly digest: Digest }[]> {
  const rows = await tx.selectFrom('manifests').select(['id', 'digest']).where('repository_id', '=', repositoryId).limit(limit).execute()
  return rows.map((row) => ({ manifestId: row.id, digest: digestFromBytes(row.digest) }))
}

/** Removes the row of a manifest that no tag points at; its references go with it. */
export async function deleteManifestRow(tx: Transactor, manifestId: number): Promise<void> {
  await tx.deleteFrom('manifests').where('id', '=', manifestId).execute()
}

/** Which referrers: those of one subject in one repository, all or of one artifact type. */
export interface ReferrerQuery {
  readonly repositoryId: number
  readonly subject: Digest
  readonly artifactType: string | undefined
  /** Only digests that sort after it. */
  readonly last: Digest | undefined
}

/** A manifest with a subject as the referrers list shows it. */
export interface Referrer extends ManifestFacts {
  readonly artifactType: string | undefined
  /** JSON. */
  readonly annotations: string | undefined
}

/** The next referrers in the order of their digests (bytes), each with the length of its annotations, without their text. */
export async function referrerSizes(
  reader: Reader,
  query: ReferrerQuery,
  limit: number,
): Promise<readonly { readonly id: number; readonly annotationBytes: number }[]> {
  const rows = await reader
    .selectFrom('manifests')
    .select(['id', sql<number>`coalesce(length(annotations), 0)`.as('annotationBytes')])
    .where('repository_id', '=', query.repositoryId)
    .where('subject_digest', '=', digestToBytes(query.subject))
    .$if(query.artifactType !== undefined, (next) => next.where('artifact_type', '=', query.artifactType ?? ''))
    .$if(query.last !== undefined, (next) =>
      next.where('digest', '>', query.last === undefined ? Buffer.alloc(0) : digestToBytes(query.last)),
    )
    .orderBy('digest')
    .limit(limit)
    .execute()
  return rows
}

/** The manifests of these ids as referrers, in the order of their digests. */
export async function referrersById(reader: Reader, ids: readonly number[]): Promise<Referrer[]> {
  const referrers: Referrer[] = []
  for (const chunk of inChunks(ids)) {
    const rows = await reader
      .selectFrom('manifests')
      .select(['id', 'digest', 'media_type', 'size_bytes', 'artifact_type', 'annotations'])
      .where('id', 'in', chunk)
      .orderBy('digest')
      .execute()
    for (const row of rows) {
      const facts = { manifestId: row.id, digest: digestFromBytes(row.digest), mediaType: row.media_type, sizeBytes: row.size_bytes }
      referrers.push({ ...facts, artifactType: row.artifact_type ?? undefined, annotations: row.annotations ?? undefined })
    }
  }
  return referrers
}

/** Which of these digests are manifests of the repository that do not name `subject` themselves. */
export async function manifestsWithoutSubject(
  reader: Reader,
  repositoryId: number,
  input: { readonly digests: readonly Digest[]; readonly subject: Digest },
): Promise<Map<Digest, ManifestFacts>> {
  const found = new Map<Digest, ManifestFacts>()
  for (const chunk of inChunks(input.digests)) {
    const rows = await reader
      .selectFrom('manifests')
      .select(['id', 'digest', 'media_type', 'size_bytes'])
      .where('repository_id', '=', repositoryId)
      .where('digest', 'in', chunk.map(digestToBytes))
      .where((eb) => eb.or([eb('subject_digest', 'is', null), eb('subject_digest', '<>', digestToBytes(input.subject))]))
      .execute()
    for (const row of rows) {
      const facts = factsOf(row)
      if (facts !== undefined) found.set(facts.digest, facts)
    }
  }
  return found
}
