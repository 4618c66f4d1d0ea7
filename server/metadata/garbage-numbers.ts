/** How much garbage there is, in pages: no read holds the event loop for more than some milliseconds, however long the queue. */
import { sql } from 'kysely'
import { isHeld } from './garbage-review.ts'
import type { DueReview, ReviewKind } from './garbage.ts'
import { numberList } from './dialect.ts'
import type { Reader } from './metadata.ts'

/** How long the queue of a kind is, counted to `max` and one more, and when its first review is, or was, due. */
export async function queueLength(
  reader: Reader,
  kind: ReviewKind,
  max: number,
): Promise<{ readonly count: number; readonly firstAt: number | undefined }> {
  const { rows } = await sql<{ count: number | string; first: number | null }>`
    select (select count(*) from (select 1 from garbage_reviews where kind = ${kind} limit ${max + 1}) as counted) as count,
      (select min(review_after) from garbage_reviews where kind = ${kind}) as first`.execute(reader)
  return { count: Number(rows[0]?.count ?? 0), firstAt: rows[0]?.first ?? undefined }
}

/** A blob that no manifest needs and that leaves with the last of its links. */
export interface GarbageBlob {
  readonly blobId: number
  readonly sizeBytes: number
  readonly leaseUntil: number
  readonly store: string
  readonly key: string
}

/** Of the blobs under these reviews, or whose links they are of, those that no manifest needs. A blob comes once for each link. */
export async function garbageAmong(
  reader: Reader,
  kind: 'link' | 'blob',
  reviews: readonly Pick<DueReview, 'targetId'>[],
): Promise<GarbageBlob[]> {
  const ids = numberList(
    reader,
    reviews.map(({ targetId }) => targetId),
  )
  const wanted =
    kind === 'blob'
      ? sql`b.id in ${ids} and not ${isHeld}`
      : sql`b.id in (select rb.blob_id from repository_blobs rb where rb.id in ${ids})
          and not exists (select 1 from manifest_blobs mb where mb.blob_id = b.id)`
  const { rows } = await sql<GarbageBlob>`
    select b.id as "blobId", b.size_bytes as "sizeBytes", b.lease_until as "leaseUntil", b.store, b.key from blobs b where ${wanted}`.execute(
    reader,
  )
  return rows
}

/** Whether a row other than these names the key of one of them, by key: bytes that stay. */
export async function keysOfOthers(reader: Reader, blobs: readonly GarbageBlob[]): Promise<ReadonlySet<string>> {
  const ids = numberList(
    reader,
    blobs.map(({ blobId }) => blobId),
  )
  const { rows } = await sql<{ key: string }>`
    select b.key from blobs b where b.id in ${ids} and exists (
      select 1 from blobs o where o.store = b.store and o.key = b.key and o.id not in ${ids})`.execute(reader)
  return new Set(rows.map(({ key }) => key))
}

/** Ids of the blobs at a key. */
export async function blobsWithKey(reader: Reader, store: string, key: string): Promise<number[]> {
  const rows = await reader.selectFrom('blobs').select('id').where('store', '=', store).where('key', '=', key).execute()
  return rows.map(({ id }) => id)
}

/** A page of what can be added up: how many rows, their bytes, and the last id. */
export interface SummedPage {
  readonly count: number
  readonly sizeBytes: number
  readonly lastId: number | undefined
}

/** What is added up: keys that wait for those who read them, keys whose time has come, or the trash. */
export type Summed = 'waiting keys' | 'due keys' | 'trash'

/**
 * The next rows after the one of that id, added up. Waiting keys are those of blobs that are gone, not those of pushes under way; due ones are those whose bytes the
 * next collection deletes, in one of these stores.
 */
export async function sumPage(
  reader: Reader,
  what: Summed,
  page: { readonly afterId: number; readonly limit: number; readonly now: number; readonly stores: readonly string[] },
): Promise<SummedPage> {
  const wanted = {
    trash: sql``,
    'waiting keys': sql`and is_push = 0 and delete_after > ${page.now}`,
    'due keys': sql`and delete_after <= ${page.now} and store in (${sql.join([...page.stores])})
      and not exists (select 1 from blobs b where b.store = t.store and b.key = t.key)`,
  }[what]
  const table = what === 'trash' ? 'trash' : 'blob_deletions'
  const { rows } = await sql<{ count: number | string; bytes: number | string | null; last: number | null }>`
    select count(*) as count, sum(size_bytes) as bytes, max(id) as last from (
      select t.id, t.size_bytes from ${sql.table(table)} t where t.id > ${page.afterId} ${wanted} order by t.id limit ${page.limit}) as counted`.execute(
    reader,
  )
  const [row] = rows
  return { count: Number(row?.count ?? 0), sizeBytes: Number(row?.bytes ?? 0), lastId: row?.last ?? undefined }
}
