/** The table `blob_deletions`: keys whose bytes go once no request can still be reading them, and keys of pushes that are not committed yet. */
import type { ExpressionBuilder } from 'kysely'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'
import type { BlobDeletionsTable, Database } from './schema.ts'

/** A key whose bytes are to go. */
export interface KeyDeletion {
  readonly store: string
  readonly key: string
  readonly sizeBytes: number
  readonly deleteAfter: number
}

/** Notes that the key's bytes go after that time; gives the id of the note. */
export async function scheduleDeletion(tx: Transactor, deletion: KeyDeletion): Promise<number> {
  const { id } = await tx
    .insertInto('blob_deletions')
    .values({ store: deletion.store, key: deletion.key, size_bytes: deletion.sizeBytes, delete_after: deletion.deleteAfter })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Takes a note back. False when it is gone: its time came, and so may have the end of the bytes. */
export async function cancelDeletion(tx: Transactor, deletionId: number): Promise<boolean> {
  const result = await tx.deleteFrom('blob_deletions').where('id', '=', deletionId).executeTakeFirst()
  return result.numDeletedRows > 0n
}

/** A key whose time has come, as {@link dueDeletions} gives it. `sizeBytes` is what its removal frees. */
export interface DueDeletion {
  readonly deletionId: number
  readonly key: string
  readonly sizeBytes: number
  /** A blob's row names the same key (an adopted blob known by two digests): the bytes stay. */
  readonly inUse: boolean
}

function isInUse(eb: ExpressionBuilder<Database & { d: BlobDeletionsTable }, 'd'>) {
  return eb.exists(eb.selectFrom('blobs as b').select('b.id').whereRef('b.store', '=', 'd.store').whereRef('b.key', '=', 'd.key'))
}

/** How many keys of this store are due, and their bytes. */
export async function countDueDeletions(
  reader: Reader,
  store: string,
  now: number,
): Promise<{ readonly keys: number; readonly sizeBytes: number }> {
  const row = await reader
    .selectFrom('blob_deletions as d')
    .select((eb) => [eb.fn.countAll<number>().as('keys'), eb.fn.coalesce(eb.fn.sum<number>('d.size_bytes'), eb.lit(0)).as('sizeBytes')])
    .where('d.store', '=', store)
    .where('d.delete_after', '<=', now)
    .where((eb) => eb.not(isInUse(eb)))
    .executeTakeFirstOrThrow()
  return { keys: Number(row.keys), sizeBytes: Number(row.sizeBytes) }
}

/** Keys of this store whose time has come, in the order of their ids. */
export async function dueDeletions(
  reader: Reader,
  store: string,
  page: { readonly dueBefore: number; readonly afterId: number; readonly limit: number },
): Promise<DueDeletion[]> {
  const rows = await reader
    .selectFrom('blob_deletions as d')
    .select(['d.id as deletionId', 'd.key', 'd.size_bytes as sizeBytes'])
    .select((eb) => isInUse(eb).as('inUse'))
    .where('d.store', '=', store)
    .where('d.delete_after', '<=', page.dueBefore)
    .where('d.id', '>', page.afterId)
    .orderBy('d.id')
    .limit(page.limit)
    .execute()
  return rows.map((row) => ({ ...row, inUse: Boolean(row.inUse) }))
}

/** Takes the rows off, once the keys' bytes are gone or found to be needed. Unknown ids are fine. */
export async function deleteDeletions(tx: Transactor, ids: readonly number[]): Promise<void> {
  for (const chunk of inChunks(ids)) await tx.deleteFrom('blob_deletions').where('id', 'in', chunk).execute()
}

/** Whether any blob's row names the key. */
export async function keyInUse(reader: Reader | Transactor, store: string, key: string): Promise<boolean> {
  return (await reader.selectFrom('blobs').select('id').where('store', '=', store).where('key', '=', key).executeTakeFirst()) !== undefined
}
