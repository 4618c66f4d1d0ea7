/** Moving blobs between stores, as far as rows are concerned: which are where, which nobody pulls, and the change of a place. */
import { digestFromBytes, type Digest } from '#oci/digest.ts'
import { keyInUse, scheduleDeletion } from './blob-deletions.ts'
import type { BlobPlace } from './blobs.ts'
import type { Reader, Transactor } from './metadata.ts'
import { numberList } from './dialect.ts'
import { sql, type SqlBool } from 'kysely'
import { firstRepositoryName } from './repositories.ts'
import { resolveFindingsAt } from './scrub-findings.ts'

/** A blob that may move. */
export interface MovableBlob extends BlobPlace {
  readonly digest: Digest
}

/** Blobs of a store whose ids are in a range: so much is read at once, however few fit. */
export interface PlaceRange {
  readonly store: string
  readonly afterId: number
  readonly throughId: number
}

/** Beyond it there is no blob; 0: there is none. */
export async function lastBlobId(reader: Reader): Promise<number> {
  const row = await reader
    .selectFrom('blobs')
    .select((eb) => eb.fn.max('id').as('id'))
    .executeTakeFirst()
  return Number(row?.id ?? 0)
}

/** A store that no index is looked up by: SQLite would take the whole store from it, and sort, for each range. */
const inStore = (store: string) => sql<SqlBool>`b.store || '' = ${store}`

/** Live blobs in the order of their ids. */
export async function blobsIn(reader: Reader, { store, afterId, throughId }: PlaceRange): Promise<MovableBlob[]> {
  const rows = await reader
    .selectFrom('blobs as b')
    .select(['b.id as blobId', 'b.digest', 'b.size_bytes as sizeBytes', 'b.store', 'b.key'])
    .where('b.id', '>', afterId)
    .where('b.id', '<=', throughId)
    .where(inStore(store))
    .where('b.state', '=', 'live')
    .orderBy('b.id')
    .execute()
  return rows.map(({ digest, ...blob }) => ({ ...blob, digest: digestFromBytes(digest) }))
}

/** Whether the store has a live blob. */
export async function hasLiveBlob(reader: Reader, store: string): Promise<boolean> {
  const row = await reader
    .selectFrom('blobs')
    .select('id')
    .where('store', '=', store)
    .where('state', '=', 'live')
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** What makes a blob cold. Instants are milliseconds. */
export interface Coldness {
  /** Nobody pulled a manifest that needs it since, nor pushed one or the blob itself, nor did it come back since. */
  readonly unusedSince: number
  readonly minimumBytes: number
}

/** Cold blobs in the order of their ids. */
export async function coldBlobs(
  reader: Reader,
  { unusedSince, minimumBytes }: Coldness,
  { store, afterId, throughId }: PlaceRange,
): Promise<MovableBlob[]> {
  const { rows } = await sql<Omit<MovableBlob, 'digest'> & { digest: Buffer }>`
    select b.id as "blobId", b.digest, b.size_bytes as "sizeBytes", b.store, b.key from blobs b
      where b.id > ${afterId} and b.id <= ${throughId} and ${inStore(store)} and b.state = 'live' and b.size_bytes >= ${minimumBytes}
        and b.created_at < ${unusedSince} and (b.placed_at is null or b.placed_at < ${unusedSince})
        and exists (select 1 from manifest_blobs mb where mb.blob_id = b.id)
        and not exists (
          select 1 from manifest_blobs mb join manifests m on m.id = mb.manifest_id
            left join manifest_pulls mp on mp.manifest_id = mb.manifest_id
            where mb.blob_id = b.id and (m.created_at >= ${unusedSince} or mp.last_pulled_at >= ${unusedSince}))
      order by b.id`.execute(reader)
  return rows.map(({ digest, ...blob }) => ({ ...blob, digest: digestFromBytes(digest) }))
}

/** The projects that have each of the blobs, the trash aside. */
export async function projectsOfBlobs(reader: Reader, blobIds: readonly number[]): Promise<ReadonlyMap<number, ReadonlySet<string>>> {
  const found = new Map<number, Set<string>>()
  if (blobIds.length === 0) return found
  const { rows } = await sql<{ blobId: number; project: string }>`
    select distinct rb.blob_id as "blobId", p.name as project from repository_blobs rb
      join repositories r on r.id = rb.repository_id join projects p on p.id = r.project_id
      where rb.blob_id in ${numberList(reader, blobIds)} and r.name >= ${firstRepositoryName}`.execute(reader)
  for (const { blobId, project } of rows) found.set(blobId, (found.get(blobId) ?? new Set()).add(project))
  return found
}

/** Where bytes are. */
export interface BytesPlace {
  readonly store: string
  readonly key: string
}

/** A change of place. */
export interface Relocation extends Pick<MovableBlob, 'blobId' | 'sizeBytes'> {
  readonly from: BytesPlace
  readonly to: BytesPlace
  readonly now: number
  /** The bytes at the former place stay until then, for who is reading them. */
  readonly readersUntil: number
}

/**
 * Says that the blob is at its new place, and that the bytes at the former one go. False when it is no longer what was copied (it was deleted, quarantined,
 * replaced or moved meanwhile): then the copy goes.
 */
export async function relocate(tx: Transactor, { blobId, sizeBytes, from, to, now, readersUntil }: Relocation): Promise<boolean> {
  const result = await tx
    .updateTable('blobs')
    .set({ store: to.store, key: to.key, placed_at: now })
    .where('id', '=', blobId)
    .where('store', '=', from.store)
    .where('key', '=', from.key)
    .where('size_bytes', '=', sizeBytes)
    .where('state', '=', 'live')
    .executeTakeFirst()
  if (result.numUpdatedRows === 0n) {
    await scheduleDeletion(tx, { ...to, sizeBytes, deleteAfter: now })
    return false
  }
  // An adopted blob may be known by two digests, which share their bytes.
  if (!(await keyInUse(tx, from.store, from.key))) await scheduleDeletion(tx, { ...from, sizeBytes, deleteAfter: readersUntil })
  return true
}

/** Which damaged blobs leave their store. */
interface DroppedBlobs {
  readonly from: string
  readonly to: string
  readonly now: number
  readonly readersUntil: number
  readonly limit: number
}

/** Says of quarantined blobs that they are in another store, where there is nothing of them, and that what the first one has of them goes. Gives how many. */
export async function dropQuarantined(tx: Transactor, { from, to, now, readersUntil, limit }: DroppedBlobs): Promise<number> {
  const rows = await tx
    .selectFrom('blobs')
    .select(['id', 'key', 'size_bytes as sizeBytes'])
    .where('store', '=', from)
    .where('state', '=', 'quarantined')
    .orderBy('id')
    .limit(limit)
    .execute()
  for (const { id, key, sizeBytes } of rows) {
    await resolveFindingsAt(tx, { store: from, key }, now)
    // A key that nothing was ever stored at.
    await tx
      .updateTable('blobs')
      .set({ store: to, key: `blobs/dropped/${id}`, placed_at: now })
      .where('id', '=', id)
      .execute()
    if (!(await keyInUse(tx, from, key))) await scheduleDeletion(tx, { store: from, key, sizeBytes, deleteAfter: readersUntil })
  }
  return rows.length
}
