/** Forgets jobs that ended long ago. */
import { deleteEndedJobs, hastenRetries } from '#metadata/jobs.ts'
import { transaction } from '#metadata/transaction.ts'
import type { JobKind, JobParts } from './jobs.ts'

const keptMs = 14 * 86_400_000
const batchRows = 500

const deleteBatch = transaction(
  import.meta.url,
  'prune-jobs/delete-batch',
  (tx, input: { readonly before: number; readonly limit: number }) => deleteEndedJobs(tx, input),
)

/** Longer than any wait between tries. */
const wrongWaitMs = 2 * 3_600_000

const hasten = transaction(import.meta.url, 'prune-jobs/hasten', (tx, input: { readonly after: number; readonly now: number }) =>
  hastenRetries(tx, input),
)

/** The kind that keeps the table of jobs small: what ended two weeks ago goes, with its lines. */
export function pruneJobsJob({ metadata, ports }: Pick<JobParts, 'metadata' | 'ports'>): JobKind<null, { readonly jobs: number }> {
  return {
    name: 'prune-jobs',
    title: 'Forget jobs that ended long ago',
    schedule: 'every 1h',
    async run({ signal, report }) {
      const now = ports.clock.now()
      // A clock that was far ahead would have a job that failed wait for as long.
      await metadata.write(hasten, { after: now + wrongWaitMs, now })
      const before = now - keptMs
      for (let jobs = 0; ; report({ done: jobs, unit: 'jobs' })) {
        signal.throwIfAborted()
        const count = await metadata.write(deleteBatch, { before, limit: batchRows })
        jobs += count
        if (count < batchRows) return { jobs }
      }
    },
  }
}
