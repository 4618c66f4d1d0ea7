/** What people do to jobs: stop them, and let them try again. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { findJob, jobOfKey, requestStop, reviveJob, type JobRecord } from '#metadata/jobs.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'

interface Control {
  readonly jobId: number
  readonly who: Who
  readonly now: number
}

async function jobIn(tx: Transactor, jobId: number): Promise<JobRecord> {
  const job = await findJob(tx, jobId)
  if (job === undefined) throw resourceUnknown('job', jobId)
  return job
}

/** Asks for the end of a job. To ask twice is fine, and one record. */
export const stopJob = transaction(import.meta.url, 'jobs/stop', async (tx, { jobId, who, now }: Control) => {
  const job = await jobIn(tx, jobId)
  if (job.state === 'running' && job.isStopRequested) return
  if (!(await requestStop(tx, { id: jobId, now })))
    throw new RegistryError('CONFLICT', { state: job.state }, { message: `job ${jobId} has ended: it is ${job.state}` })
  await recordEvent(tx, { action: 'job.stopped', target: `job:${jobId}`, detail: { kind: job.kind }, at: now, ...who })
})

/** Lets a job wait again. */
export const retryJob = transaction(import.meta.url, 'jobs/retry', async (tx, { jobId, who, now }: Control) => {
  const job = await jobIn(tx, jobId)
  if (job.state !== 'failed' && job.state !== 'stopped')
    throw new RegistryError(
      'CONFLICT',
      { state: job.state },
      { message: `job ${jobId} is ${job.state}: only one that failed or was stopped can be retried` },
    )
  const other = job.uniqueKey === null ? undefined : await jobOfKey(tx, job.uniqueKey)
  if (other !== undefined) throw new RegistryError('CONFLICT', { job: other }, { message: `job ${other} does the same work already` })
  await reviveJob(tx, { id: jobId, now })
  await recordEvent(tx, { action: 'job.retried', target: `job:${jobId}`, detail: { kind: job.kind }, at: now, ...who })
})
