/** Transactions of the tests, in a module of their own: the writer thread loads it. */
import { sql } from 'kysely'
import { transaction } from '#metadata/transaction.ts'
import { advanceJob } from './advance-job.ts'
import { enqueueJob, startJob, type NewJob } from './enqueue-job.ts'
import type { JobClaim } from './jobs.ts'

/** Counts one more in a setting, and keeps the cursor with it. */
export const countOne = transaction(
  import.meta.url,
  'test-jobs/count-one',
  async (tx, { job, cursor, name = 'count' }: { readonly job: JobClaim; readonly cursor: number; readonly name?: string }) => {
    await tx
      .insertInto('settings')
      .values({ name, value: '1' })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: sql`cast(cast(settings.value as integer) + 1 as text)` }))
      .execute()
    await advanceJob(tx, job, cursor)
  },
)

/** Enqueues, and fails afterwards. */
export const enqueueAndFail = transaction(import.meta.url, 'test-jobs/enqueue-and-fail', async (tx, job: NewJob) => {
  await enqueueJob(tx, job)
  throw new Error('failed after enqueuing')
})

/** {@link startJob} alone. */
export const startOne = transaction(import.meta.url, 'test-jobs/start', (tx, job: NewJob) =>
  startJob(tx, job, { actor: 'olga', requestId: 'request-1' }),
)

/** Writes what no program of this version writes. */
export const spoil = transaction(
  import.meta.url,
  'test-jobs/spoil',
  async (tx, { id, ...columns }: { readonly id: number; readonly payload?: string; readonly cursor?: string; readonly fence?: number }) => {
    await tx.updateTable('jobs').set(columns).where('id', '=', id).execute()
  },
)

/** Jobs by the thousand in one transaction. */
export const enqueueMany = transaction(
  import.meta.url,
  'test-jobs/enqueue-many',
  async (tx, jobs: readonly Parameters<typeof enqueueJob>[1][]) => {
    for (const job of jobs) await enqueueJob(tx, job)
  },
)
