/**
 * Holds on garbage collection, rows of `leases`: while one is there and not over, no bytes are deleted, so that whoever copies the blobs of a snapshot of the
 * rows finds all of them. Rows go on being collected. Who died takes its hold along after some minutes.
 */
import type { Reader, Transactor } from './metadata.ts'

const prefix = 'garbage-hold:'
/** Behind all names with the prefix. */
const beyond = 'garbage-hold;'

/** Who holds, and until when unless it says again that it lives. */
export interface GarbageHoldRow {
  readonly holder: string
  readonly until: number
}

/** Makes the hold or makes it last longer; those that were over before `now` are forgotten. */
export async function keepGarbageHold(tx: Transactor, { holder, until, now }: GarbageHoldRow & { readonly now: number }): Promise<void> {
  const name = `${prefix}${holder}`
  await tx
    .deleteFrom('leases')
    .where('name', '>=', prefix)
    .where('name', '<', beyond)
    .where('name', '<>', name)
    .where('lease_until', '<', now)
    .execute()
  await tx
    .insertInto('leases')
    .values({ name, holder, fence: 1, lease_until: until })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ lease_until: until }))
    .execute()
}

/** Ends it; one that is gone is fine. */
export async function dropGarbageHold(tx: Transactor, holder: string): Promise<void> {
  await tx.deleteFrom('leases').where('name', '=', `${prefix}${holder}`).execute()
}

/** Whether anybody holds at that time. */
export async function isGarbageHeld(reader: Reader | Transactor, now: number): Promise<boolean> {
  const row = await reader
    .selectFrom('leases')
    .select('id')
    .where('name', '>=', prefix)
    .where('name', '<', beyond)
    .where('lease_until', '>', now)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
