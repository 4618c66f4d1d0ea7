/** Columns of `upload_sessions` that say which process writes to an upload. Instants are milliseconds. */
import { sql } from 'kysely'
import type { Transactor } from './metadata.ts'
import { later } from './together.ts'

/** Who wants it, and for how long. */
export interface HoldTaking {
  readonly uploadId: string
  readonly holder: string
  readonly now: number
  readonly until: number
}

/** The fence of the new hold, or why there is none. */
export async function takeHold(tx: Transactor, taking: HoldTaking): Promise<{ readonly fence: number } | 'held' | 'unknown'> {
  const row = await tx
    .updateTable('upload_sessions')
    .set({ holder: taking.holder, holder_until: taking.until, fence: sql<number>`fence + 1` })
    .where('upload_id', '=', taking.uploadId)
    .where((is) => is.or([is('holder', '=', ''), is('holder_until', '<', taking.now)]))
    .returning('fence')
    .executeTakeFirst()
  if (row !== undefined) return { fence: row.fence }
  const known = await tx.selectFrom('upload_sessions').select('id').where('upload_id', '=', taking.uploadId).executeTakeFirst()
  return known === undefined ? 'unknown' : 'held'
}

/** The uploads that this holder still holds. */
export async function extendHolds(
  tx: Transactor,
  { holder, uploadIds, until }: { readonly holder: string; readonly uploadIds: readonly string[]; readonly until: number },
): Promise<readonly string[]> {
  const rows = await tx
    .updateTable('upload_sessions')
    .set({ holder_until: until })
    .where('holder', '=', holder)
    .where('upload_id', 'in', [...uploadIds])
    .returning('upload_id')
    .execute()
  return rows.map(({ upload_id: uploadId }) => uploadId)
}

/** Gives it back, unless somebody else has it by now. */
export async function releaseHold(
  tx: Transactor,
  { uploadId, fence }: { readonly uploadId: string; readonly fence: number },
): Promise<void> {
  const release = tx
    .updateTable('upload_sessions')
    .set({ holder: '', holder_until: 0 })
    .where('upload_id', '=', uploadId)
    .where('fence', '=', fence)
  await later(tx, release.execute())
}
