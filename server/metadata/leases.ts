/** The table `leases`: who does what only one process does at a time. */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'

/** A lease as it stands. `holder` is empty when it was given back. */
export interface Lease {
  readonly name: string
  readonly holder: string
  /** Raised each time somebody takes it. */
  readonly fence: number
  readonly leaseUntil: number
}

/** The lease of that name; undefined before anybody took it. */
export async function findLease(reader: Reader | Transactor, name: string): Promise<Lease | undefined> {
  return reader
    .selectFrom('leases')
    .select(['name', 'holder', 'fence', 'lease_until as leaseUntil'])
    .where('name', '=', name)
    .executeTakeFirst()
}

/** Of {@link takeLease}. */
export interface LeaseTaking {
  readonly name: string
  readonly holder: string
  readonly leaseUntil: number
  /** As it was seen, for too long; undefined when it was not there. Whoever finds it otherwise takes nothing. */
  readonly seen: Lease | undefined
}

/** Takes the lease and gives its fence; undefined when it is not as it was seen. */
export async function takeLease(tx: Transactor, { name, holder, leaseUntil, seen }: LeaseTaking): Promise<number | undefined> {
  const found = await findLease(tx, name)
  if (found === undefined) {
    await tx.insertInto('leases').values({ name, holder, fence: 1, lease_until: leaseUntil }).execute()
    return 1
  }
  if (found.fence !== seen?.fence || found.leaseUntil !== seen.leaseUntil || found.holder !== seen.holder) return undefined
  await tx
    .updateTable('leases')
    .set({ holder, lease_until: leaseUntil, fence: sql<number>`fence + 1` })
    .where('name', '=', name)
    .execute()
  return found.fence + 1
}

/** Whether the lease is still the one that was taken under this fence. */
export async function holdsLease(tx: Transactor, { name, fence }: Pick<Lease, 'name' | 'fence'>): Promise<boolean> {
  const lease = await findLease(tx, name)
  return lease !== undefined && lease.fence === fence && lease.holder !== ''
}

/** A sign of life; false when somebody else took the lease. */
export async function extendLease(tx: Transactor, { name, fence, holder, leaseUntil }: Lease): Promise<boolean> {
  const result = await tx
    .updateTable('leases')
    .set({ lease_until: leaseUntil })
    .where('name', '=', name)
    .where('fence', '=', fence)
    .where('holder', '=', holder)
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** Gives the lease back: the next one need not wait. */
export async function releaseLease(tx: Transactor, { name, fence }: Pick<Lease, 'name' | 'fence'>): Promise<void> {
  await tx.updateTable('leases').set({ holder: '', lease_until: 0 }).where('name', '=', name).where('fence', '=', fence).execute()
}
