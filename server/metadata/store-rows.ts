/** Which stores the rows of blobs name, and how much of each is where. */
import { sql } from 'kysely'
import { lastBlobId } from './blob-places.ts'
import type { Reader } from './metadata.ts'

/** The stores that rows of blobs name, in the order of their names: a few steps in an index, however many blobs there are. */
export function storesOfBlobs(reader: Reader): Promise<string[]> {
  return storesIn(reader, 'blobs')
}

/** Those that keys wait to be deleted from. */
export function storesOfDeletions(reader: Reader): Promise<string[]> {
  return storesIn(reader, 'blob_deletions')
}

/** Those that uploads under way have their bytes in. */
export async function storesOfUploads(reader: Reader): Promise<string[]> {
  const rows = await reader.selectFrom('upload_sessions').select('store').distinct().execute()
  return rows.map(({ store }) => store)
}

async function storesIn(reader: Reader, table: 'blobs' | 'blob_deletions'): Promise<string[]> {
  const found: string[] = []
  for (let after = ''; ;) {
    const row = await reader
      .selectFrom(table)
      .select((eb) => eb.fn.min('store').as('store'))
      .where('store', '>', after)
      .executeTakeFirst()
    if (row === undefined || row.store === null) return found
    found.push(row.store)
    after = row.store
  }
}

/** Whether any row names the store. */
export async function isStoreNamed(reader: Reader, store: string): Promise<boolean> {
  for (const table of ['blobs', 'blob_deletions', 'upload_sessions'] as const) {
    const row = await reader.selectFrom(table).select('id').where('store', '=', store).limit(1).executeTakeFirst()
    if (row !== undefined) return true
  }
  return false
}

/** What rows say of one store. */
export interface StoreContents {
  readonly store: string
  readonly blobs: number
  readonly bytes: number
  /** Without those in quarantine. */
  readonly liveBytes: number
  /** Of them, those in quarantine. */
  readonly quarantined: number
  /** Uploads under way whose bytes are there. */
  readonly uploads: number
  /** Keys that wait to be deleted, and when the last of them may go. */
  readonly leaving: number
  readonly leavingUntil: number | undefined
}

type Counted = Omit<StoreContents, 'store' | 'leavingUntil'> & { readonly leavingUntil: number | undefined }

const nothing: Counted = { blobs: 0, bytes: 0, liveBytes: 0, quarantined: 0, uploads: 0, leaving: 0, leavingUntil: undefined }

interface BlobSums {
  readonly store: string
  readonly blobs: number | string
  readonly bytes: number | string
  readonly liveBytes: number | string
  readonly quarantined: number | string
}

/** So many ids are counted at once: some milliseconds. */
const windowIds = 20_000

/** Of every store that a row names. Reads all rows of blobs, a few at a time; `breathe` is waited for in between. For people, not for metrics. */
export async function contentsOfStores(reader: Reader, breathe: () => Promise<void>): Promise<StoreContents[]> {
  const found = new Map<string, Counted>()
  const add = (store: string, more: Partial<Counted>) => found.set(store, sumOf(found.get(store) ?? nothing, more))
  const lastId = await lastBlobId(reader)
  for (let afterId = 0; afterId < lastId; afterId += windowIds) {
    const { rows } = await sql<BlobSums>`select store, count(*) as blobs, sum(size_bytes) as bytes,
      sum(case when state = 'live' then size_bytes else 0 end) as "liveBytes", sum(case when state = 'quarantined' then 1 else 0 end) as quarantined
      from blobs where id > ${afterId} and id <= ${afterId + windowIds} group by store`.execute(reader)
    for (const { store, ...sums } of rows) add(store, numbersOf(sums))
    await breathe()
  }
  const uploads = await sql<{
    store: string
    count: number | string
  }>`select store, count(*) as count from upload_sessions group by store`.execute(reader)
  for (const { store, count } of uploads.rows) add(store, { uploads: Number(count) })
  const leaving = await sql<{ store: string; count: number | string; last: number | string }>`
    select store, count(*) as count, max(delete_after) as last from blob_deletions group by store`.execute(reader)
  for (const { store, count, last } of leaving.rows) add(store, { leaving: Number(count), leavingUntil: Number(last) })
  return [...found].map(([store, counted]) => ({ store, ...counted })).toSorted((one, other) => (one.store < other.store ? -1 : 1))
}

function numbersOf({ blobs, bytes, liveBytes, quarantined }: Omit<BlobSums, 'store'>): Partial<Counted> {
  return { blobs: Number(blobs), bytes: Number(bytes), liveBytes: Number(liveBytes), quarantined: Number(quarantined) }
}

function sumOf(one: Counted, other: Partial<Counted>): Counted {
  const sum = (member: Exclude<keyof Counted, 'leavingUntil'>) => one[member] + (other[member] ?? 0)
  return {
    blobs: sum('blobs'),
    bytes: sum('bytes'),
    liveBytes: sum('liveBytes'),
    quarantined: sum('quarantined'),
    uploads: sum('uploads'),
    leaving: sum('leaving'),
    leavingUntil: other.leavingUntil ?? one.leavingUntil,
  }
}
