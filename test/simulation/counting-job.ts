/** A job whose deeds can be counted: each step adds one to a setting in the transaction that moves its cursor. Done twice or not at all, it shows. */
import { sql } from 'kysely'
import { advanceJob } from '#jobs/advance-job.ts'
import type { JobClaim, JobKind } from '#jobs/jobs.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'

const countOne = transaction(
  import.meta.url,
  'simulation/count-one',
  async (tx, { job, cursor, name }: { readonly job: JobClaim; readonly cursor: number; readonly name: string }) => {
    await tx
      .insertInto('settings')
      .values({ name, value: '1' })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: sql`cast(cast(settings.value as integer) + 1 as text)` }))
      .execute()
    await advanceJob(tx, job, cursor)
  },
)

/** Counts as far as it is told, in a setting of the name that it is given. */
export interface Counting {
  readonly name: string
  readonly steps: number
}

export function countingJob(metadata: Metadata): JobKind<Counting, number> {
  return {
    name: 'simulation-count',
    title: 'Count',
    concurrency: 3,
    attemptsMax: 1_000,
    async run(run, { name, steps }) {
      for (let at = (run.cursor as number | undefined) ?? 0; at < steps; at++) {
        run.signal.throwIfAborted()
        await metadata.write(countOne, { job: run.job, cursor: at + 1, name })
      }
      return steps
    },
  }
}
