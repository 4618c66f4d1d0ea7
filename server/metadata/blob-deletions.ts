/** The table `blob_deletions`: keys whose bytes go once no request can still be reading them, and keys of pushes that are not committed yet. */
import { sql, type ExpressionBuilder } from 'kysely'
import { numberList } from './dialect.ts'
import type { Reader, Transactor } from './metadata.ts'
import type { BlobDeletionsTable, Database } from './schema.ts'
import { afterWait } from './write-wait.ts'

/** A key whose bytes are to go. */
export interface KeyDeletion {
  readonly store: string
  readonly key: string
  readonly sizeBytes: number
  readonly deleteAfter: number
  /** Of a push that is not committed yet. */
  readonly isPush?: boolean
}

/** Notes that the key's bytes go after that time, counted from the commit; gives the id of the note. */
export async function scheduleDeletion(tx: Transactor, deletion: KeyDeletion): Promise<number> {
  const { id } = await tx
    .insertInto('blob_deletions')
    .values({
      store: deletion.store,
      key: deletion.key,
      size_bytes: deletion.sizeBytes,
      delete_after: afterWait(tx, deletion.deleteAfter),
      is_push: deletion.isPush === true ? 1 : 0,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** In place of a time: a collection is at it, and the bytes may be gone already. */
export const takenDeletion = -1

/** Takes a note back. False when it is gone, or taken: its time came, and so may have the end of the bytes. */
export async function cancelDeletion(tx: Transactor, deletionId: number): Promise<boolean> {
  const result = await tx
    .deleteFrom('blob_deletions')
    .where('id', '=', deletionId)
    .where('delete_after', '<>', takenDeletion)
    .executeTakeFirst()
  return result.numDeletedRows > 0n
}

/** After a push that came to nothing: its bytes are due now. One that is taken, or gone, stays as it is. */
export async function releaseDeletion(tx: Transactor, { noteId, now }: { readonly noteId: number; readonly now: number }): Promise<void> {
  await tx
    .updateTable('blob_deletions')
    .set({ delete_after: now, is_push: 0 })
    .where('id', '=', noteId)
    .where('delete_after', '<>', takenDeletion)
    .execute()
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

/** How many keys of these stores are due, and their bytes. */
export async function countDueDeletions(
  reader: Reader,
  stores: readonly string[],
  now: number,
): Promise<{ readonly keys: number; readonly sizeBytes: number }> {
  const row = await reader
    .selectFrom('blob_deletions as d')
    .select((eb) => [eb.fn.countAll<number>().as('keys'), eb.fn.coalesce(eb.fn.sum<number>('d.size_bytes'), eb.lit(0)).as('sizeBytes')])
    .where('d.store', 'in', stores)
    .where('d.delete_after', '<=', now)
    .where((eb) => eb.not(isInUse(eb)))
    .executeTakeFirstOrThrow()
  return { keys: Number(row.keys), sizeBytes: Number(row.sizeBytes) }
}

/** Keys of this store whose time has come, in the order of their ids. */
export async function dueDeletions(
  reader: Reader | Transactor,
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

/**
 * The next keys whose bytes are to be deleted now. From this commit on they are nobody's: who noted one for a push that took too long does not get it back.
 * Notes of keys that a row names are dropped.
 */
export async function takeDeletions(
  tx: Transactor,
  store: string,
  page: { readonly dueBefore: number; readonly afterId: number; readonly limit: number },
): Promise<{ readonly due: DueDeletion[]; readonly lastId: number | undefined }> {
  const found = await dueDeletions(tx, store, page)
  const due = found.filter(({ inUse }) => !inUse)
  await deleteDeletions(
    tx,
    found.filter(({ inUse }) => inUse).map(({ deletionId }) => deletionId),
  )
  const ids = due.map(({ deletionId }) => deletionId)
  if (ids.length > 0) await sql`update blob_deletions set delete_after = ${takenDeletion} where id in ${numberList(tx, ids)}`.execute(tx)
  return { due, lastId: found.at(-1)?.deletionId }
}

/** Takes the rows off, once the keys' bytes are gone or found to be needed; gives how many there were, and their bytes. Unknown ids are fine. */
export async function deleteDeletions(
  tx: Transactor,
  ids: readonly number[],
): Promise<{ readonly keys: number; readonly freedBytes: number }> {
  if (ids.length === 0) return { keys: 0, freedBytes: 0 }
  const { rows } = await sql<{
    size_bytes: number
  }>`delete from blob_deletions where id in ${numberList(tx, ids)} returning size_bytes`.execute(tx)
  return { keys: rows.length, freedBytes: rows.reduce((sum, { size_bytes }) => sum + size_bytes, 0) }
}

/** Whether any blob's row names the key. */
export async function keyInUse(reader: Reader | Transactor, store: string, key: string): Promise<boolean> {
  return (await reader.selectFrom('blobs').select('id').where('store', '=', store).where('key', '=', key).executeTakeFirst()) !== undefined
}
