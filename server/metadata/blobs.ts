/** The tables `blobs` (where the bytes of a digest are) and `repository_blobs` (which repositories they may be pulled from). */
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import { firstRepositoryName } from './repositories.ts'
import { later, together } from './together.ts'
import { linkCounts, logicalBytesChanged } from './usage.ts'
import type { CountedBlob } from './usage-blobs.ts'
import { whereVisible, type Visibility } from './visibility.ts'
import { afterWait } from './write-wait.ts'

/** Where a live blob is. */
export interface BlobPlace {
  readonly blobId: number
  readonly sizeBytes: number
  readonly store: string
  readonly key: string
}

/** A {@link BlobPlace} in a repository, with what decides whether a HEAD must extend its lease. */
export interface LeasedBlobPlace extends BlobPlace {
  /** Of the row that makes it a blob of the repository. */
  readonly linkId: number
  readonly leaseUntil: number
  /** A manifest of the repository needs it: what others need may leave this one. */
  readonly referenced: boolean
}

interface PlaceRow {
  readonly blob_id: number | null
  readonly size_bytes: number | null
  readonly store: string | null
  readonly key: string | null
  readonly link_id: number | null
}

const placeInRepository = prepare<{ name: string; digest: Buffer }, PlaceRow>((db, param) =>
  db
    .selectFrom('repositories as r')
    .leftJoin('blobs as b', (join) => join.on((eb) => eb.and([eb('b.digest', '=', param('digest')), eb('b.state', '=', 'live')])))
    .leftJoin('repository_blobs as rb', (join) => join.onRef('rb.repository_id', '=', 'r.id').onRef('rb.blob_id', '=', 'b.id'))
    .select(['b.id as blob_id', 'b.size_bytes', 'b.store', 'b.key', 'rb.id as link_id'])
    .where('r.name', '=', param('name')),
)

const leasedPlaceInRepository = prepare<
  { name: string; digest: Buffer },
  PlaceRow & { lease_until: number | null; referenced: number | boolean }
>((db, param) =>
  db
    .selectFrom('repositories as r')
    .leftJoin('blobs as b', (join) => join.on((eb) => eb.and([eb('b.digest', '=', param('digest')), eb('b.state', '=', 'live')])))
    .leftJoin('repository_blobs as rb', (join) => join.onRef('rb.repository_id', '=', 'r.id').onRef('rb.blob_id', '=', 'b.id'))
    .select(['b.id as blob_id', 'b.size_bytes', 'b.store', 'b.key', 'rb.id as link_id', 'b.lease_until'])
    .select((eb) =>
      eb
        .exists(
          eb
            .selectFrom('manifest_blobs as mb')
            .select('mb.id')
            .whereRef('mb.blob_id', '=', 'b.id')
            .whereRef('mb.repository_id', '=', 'r.id'),
        )
        .as('referenced'),
    )
    .where('r.name', '=', param('name')),
)

function placeOf(row: PlaceRow): BlobPlace | undefined {
  if (row.blob_id === null || row.link_id === null || row.size_bytes === null || row.store === null || row.key === null) return undefined
  return { blobId: row.blob_id, sizeBytes: row.size_bytes, store: row.store, key: row.key }
}

/** One indexed read: where the blob is if this repository has it; `'no-repository'` when there is no such repository. */
export async function findBlob(
  reader: Reader,
  repository: RepositoryName,
  digest: Digest,
): Promise<BlobPlace | 'no-repository' | undefined> {
  const [row] = await placeInRepository(reader, { name: repository, digest: digestToBytes(digest) })
  return row === undefined ? 'no-repository' : placeOf(row)
}

/** {@link findBlob} with the lease. */
export async function findLeasedBlob(
  reader: Reader,
  repository: RepositoryName,
  digest: Digest,
): Promise<LeasedBlobPlace | 'no-repository' | undefined> {
  const [row] = await leasedPlaceInRepository(reader, { name: repository, digest: digestToBytes(digest) })
  if (row === undefined) return 'no-repository'
  const place = placeOf(row)
  return place && { ...place, linkId: row.link_id ?? 0, leaseUntil: row.lease_until ?? 0, referenced: Boolean(row.referenced) }
}

/** Where the live bytes of the digest are, whatever repository they belong to. */
export async function findLiveBlob(reader: Reader | Transactor, digest: Digest): Promise<BlobPlace | undefined> {
  return reader
    .selectFrom('blobs')
    .select(['id as blobId', 'size_bytes as sizeBytes', 'store', 'key'])
    .where('digest', '=', digestToBytes(digest))
    .where('state', '=', 'live')
    .executeTakeFirst()
}

/** A blob's row as a push finds it. */
export interface BlobRow {
  readonly id: number
  readonly state: string
  readonly store: string
  readonly key: string
  readonly size_bytes: number
}

const rowByDigest = prepare<{ digest: Buffer }, BlobRow>((db, param) =>
  db.selectFrom('blobs').select(['id', 'state', 'store', 'key', 'size_bytes']).where('digest', '=', param('digest')),
)

/** The row of the digest, live or in quarantine. */
export async function findBlobRow(tx: Transactor, digest: Digest): Promise<BlobRow | undefined> {
  const [row] = await rowByDigest(tx, { digest: digestToBytes(digest) })
  return row
}

/** Where the bytes are if one of the repositories that the caller may see (or `from` alone, if visible) has them. */
export async function findVisibleBlob(
  reader: Reader | Transactor,
  input: { readonly digest: Digest; readonly from: RepositoryName | undefined; readonly visibility: Visibility },
): Promise<BlobPlace | undefined> {
  if (input.visibility.kind === 'nothing') return undefined
  const query = reader
    .selectFrom('blobs')
    .innerJoin('repository_blobs', 'repository_blobs.blob_id', 'blobs.id')
    .innerJoin('repositories', 'repositories.id', 'repository_blobs.repository_id')
    .select(['blobs.id as blobId', 'blobs.size_bytes as sizeBytes', 'blobs.store', 'blobs.key'])
    .where('blobs.digest', '=', digestToBytes(input.digest))
    .where('blobs.state', '=', 'live')
    .where('repositories.name', '>=', firstRepositoryName)
    .$if(input.from !== undefined, (next) => next.where('repositories.name', '=', input.from ?? ''))
    .limit(1)
  return whereVisible(query, input.visibility).executeTakeFirst()
}

/** Gives a row when the link counts from now on: it is new, or had stopped counting. */
const countedLink = prepare<{ repositoryId: number; blobId: number; now: number }, { id: number }>((db, param) =>
  db
    .insertInto('repository_blobs')
    .values({ repository_id: param('repositoryId'), blob_id: param('blobId'), created_at: param('now'), is_counted: 1 })
    .onConflict((conflict) =>
      conflict.columns(['repository_id', 'blob_id']).doUpdateSet({ is_counted: 1 }).where('repository_blobs.is_counted', '=', 0),
    )
    .returning('id'),
)

/** A manifest that was waiting for the blob gives a row. */
const referenceFromEarlier = prepare<{ repositoryId: number; blobId: number; digest: Buffer }, { id: number }>((db, param) =>
  db
    .insertInto('manifest_blobs')
    .columns(['manifest_id', 'blob_id', 'repository_id'])
    .expression((eb) =>
      eb
        .selectFrom('manifest_children as mc')
        .innerJoin('manifests as m', 'm.id', 'mc.manifest_id')
        .select(['mc.manifest_id', eb.cast<number>(eb.val(param('blobId')), 'bigint').as('blob_id'), 'm.repository_id'])
        .where('mc.child_digest', '=', param('digest'))
        .where('m.repository_id', '=', param('repositoryId')),
    )
    .onConflict((conflict) => conflict.columns(['manifest_id', 'blob_id']).doNothing())
    .returning('id'),
)

const waitingInRepository = prepare<{ name: string; digest: Buffer }, { id: number }>((db, param) =>
  db
    .selectFrom('manifest_children as mc')
    .innerJoin('manifests as m', 'm.id', 'mc.manifest_id')
    .innerJoin('repositories as r', 'r.id', 'm.repository_id')
    .select('mc.id')
    .where('mc.child_digest', '=', param('digest'))
    .where('r.name', '=', param('name'))
    .limit(1),
)

/** Whether a manifest of the repository waits for the digest. */
export async function isWaitedFor(tx: Transactor, repository: RepositoryName, digest: Digest): Promise<boolean> {
  return (await waitingInRepository(tx, { name: repository, digest: digestToBytes(digest) })).length > 0
}

const insertLink = prepare<{ repositoryId: number; blobId: number; now: number }, never>((db, param) =>
  db
    .insertInto('repository_blobs')
    .values({ repository_id: param('repositoryId'), blob_id: param('blobId'), created_at: param('now'), is_counted: 1 }),
)

/** {@link linkBlob} for a blob that no repository had and no manifest of this one waits for. Counting it is the caller's. */
export async function linkNewBlob(
  tx: Transactor,
  link: { readonly repositoryId: number; readonly blobId: number; readonly now: number },
): Promise<void> {
  await later(tx, insertLink(tx, link))
}

/** Makes the blob pullable from the repository, referenced by its manifests that came before it, and counted. Throws DENIED for a quota. */
export async function linkBlob(
  tx: Transactor,
  link: {
    readonly repositoryId: number
    readonly blobId: number
    readonly digest: Digest
    readonly sizeBytes: number
    readonly now: number
  },
): Promise<void> {
  const { repositoryId, blobId, digest, sizeBytes, now } = link
  const [counted, waiting] = await together(
    countedLink(tx, { repositoryId, blobId, now }),
    referenceFromEarlier(tx, { repositoryId, blobId, digest: digestToBytes(digest) }),
  )
  const logicalBytes = waiting.length * sizeBytes
  if (counted.length > 0) await linkCounts(tx, { repositoryId, blobs: [{ blobId, sizeBytes }], logicalBytes })
  else await logicalBytesChanged(tx, repositoryId, logicalBytes)
}

/** Adds a live blob that no repository has yet, and gives its id. Throws when there is a row of the digest. Instants are milliseconds. */
export async function insertBlob(
  tx: Transactor,
  blob: {
    readonly digest: Digest
    readonly sizeBytes: number
    readonly store: string
    readonly key: string
    readonly now: number
    readonly leaseUntil: number
  },
): Promise<number> {
  const { store, key, now } = blob
  const [row] = await insertRow(tx, {
    digest: digestToBytes(blob.digest),
    sizeBytes: blob.sizeBytes,
    leaseUntil: afterWait(tx, blob.leaseUntil),
    store,
    key,
    now,
  })
  if (row === undefined) throw new Error('the blob got no id')
  return row.id
}

interface BlobParams extends Record<string, unknown> {
  readonly digest: Buffer
  readonly sizeBytes: number
  readonly leaseUntil: number
  readonly store: string
  readonly key: string
  readonly now: number
}

const insertRow = prepare<BlobParams, { id: number }>((db, param) =>
  db
    .insertInto('blobs')
    .values({
      digest: param('digest'),
      size_bytes: param('sizeBytes'),
      state: 'live',
      lease_until: param('leaseUntil'),
      store: param('store'),
      key: param('key'),
      created_at: param('now'),
    })
    .returning('id'),
)

/** The lease counts from the commit. Never shortens one. False when the blob is gone or quarantined. */
export async function extendLease(tx: Transactor, blobId: number, until: number): Promise<boolean> {
  const leaseUntil = afterWait(tx, until)
  const result = await tx
    .updateTable('blobs')
    .set((eb) => ({ lease_until: eb.case().when('lease_until', '<', leaseUntil).then(leaseUntil).else(eb.ref('lease_until')).end() }))
    .where('id', '=', blobId)
    .where('state', '=', 'live')
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** The same for a blob of a repository: false too when it left that one meanwhile. */
export async function extendLinkLease(
  tx: Transactor,
  { linkId, blobId, leaseUntil }: { readonly linkId: number; readonly blobId: number; readonly leaseUntil: number },
): Promise<boolean> {
  const link = await tx.selectFrom('repository_blobs').select('id').where('id', '=', linkId).executeTakeFirst()
  return link !== undefined && (await extendLease(tx, blobId, leaseUntil))
}

/** A blob of a repository. */
export interface LinkedBlob extends CountedBlob {
  readonly isCounted: boolean
}

/** Ids of those digests that are live blobs of the repository. */
export async function blobsOfRepository(tx: Transactor, repositoryId: number, digests: readonly Digest[]): Promise<Map<Digest, number>> {
  const found = await linkedBlobsOf(tx, repositoryId, digests)
  return new Map([...found].map(([digest, { blobId }]) => [digest, blobId]))
}

/** The same with what is counted of them. */
export async function linkedBlobsOf(tx: Transactor, repositoryId: number, digests: readonly Digest[]): Promise<Map<Digest, LinkedBlob>> {
  const found = new Map<Digest, LinkedBlob>()
  for (const chunk of inChunks(digests)) {
    const rows = await tx
      .selectFrom('blobs as b')
      .innerJoin('repository_blobs as rb', (join) => join.onRef('rb.blob_id', '=', 'b.id').on('rb.repository_id', '=', repositoryId))
      .select(['b.id', 'b.digest', 'b.size_bytes', 'rb.is_counted'])
      .where('b.digest', 'in', chunk.map(digestToBytes))
      .where('b.state', '=', 'live')
      .execute()
    for (const { id, digest, size_bytes: sizeBytes, is_counted } of rows)
      found.set(digestFromBytes(digest), { blobId: id, sizeBytes, isCounted: is_counted === 1 })
  }
  return found
}

/** Takes the blob out of every reader's sight if its bytes are still at `key`. False when it changed meanwhile. */
export async function quarantine(tx: Transactor, blobId: number, key: string): Promise<boolean> {
  const result = await tx
    .updateTable('blobs')
    .set({ state: 'quarantined' })
    .where('id', '=', blobId)
    .where('key', '=', key)
    .where('state', '=', 'live')
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** The quarantined blob if it belongs to the repository. */
export async function findQuarantinedBlob(reader: Reader, repository: RepositoryName, digest: Digest): Promise<BlobPlace | undefined> {
  return reader
    .selectFrom('repositories as r')
    .innerJoin('repository_blobs as rb', 'rb.repository_id', 'r.id')
    .innerJoin('blobs as b', 'b.id', 'rb.blob_id')
    .select(['b.id as blobId', 'b.size_bytes as sizeBytes', 'b.store', 'b.key'])
    .where('r.name', '=', repository)
    .where('b.digest', '=', digestToBytes(digest))
    .where('b.state', '=', 'quarantined')
    .executeTakeFirst()
}

/** Takes a blob out of quarantine whose bytes, still at `key`, were found right. False when it changed meanwhile. */
export async function release(tx: Transactor, blobId: number, key: string): Promise<boolean> {
  const result = await tx
    .updateTable('blobs')
    .set({ state: 'live' })
    .where('id', '=', blobId)
    .where('key', '=', key)
    .where('state', '=', 'quarantined')
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** A blob as scrub meets it: where its bytes should be, and what they should hash to. */
export interface StoredBlob extends BlobPlace {
  readonly digest: Digest
  readonly isQuarantined: boolean
}

/** All blobs in order of their ids, for scrub. */
export async function blobsAfter(reader: Reader, page: { readonly afterId: number; readonly limit: number }): Promise<StoredBlob[]> {
  const rows = await reader
    .selectFrom('blobs')
    .select(['id as blobId', 'digest', 'size_bytes as sizeBytes', 'store', 'key', 'state'])
    .where('id', '>', page.afterId)
    .orderBy('id')
    .limit(page.limit)
    .execute()
  return rows.map(({ digest, state, ...place }) => ({ ...place, digest: digestFromBytes(digest), isQuarantined: state === 'quarantined' }))
}
