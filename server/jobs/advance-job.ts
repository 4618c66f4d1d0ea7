/** The cursor of a job, kept in the transaction that did the work. */
import { advanceRow } from '#metadata/job-claims.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { RegistryError } from '#oci/errors.ts'
import type { JobClaim, JobProgress } from './jobs.ts'

/** In characters of JSON: a cursor says where, it is not a store. */
const cursorMax = 256 * 1024

/**
 * Keeps the cursor (JSON) in the caller's transaction, so that what was done and how far it is are true together. Throws CONFLICT, which rolls the work
 * back, when another claim of the job has followed or the job has ended. Id 0 stands for work without a row: nothing is kept.
 */
export async function advanceJob(tx: Transactor, job: JobClaim, cursor: unknown, progress?: JobProgress): Promise<void> {
  if (job.id === 0) return
  const text = JSON.stringify(cursor ?? null)
  if (text.length > cursorMax) throw new Error(`the cursor of job ${job.id} has ${text.length} characters`)
  const kept = { ...job, cursor: text, progress: progress === undefined ? null : JSON.stringify(progress) }
  if (!(await advanceRow(tx, kept))) throw leaseLost(job.id)
}

/** What a worker meets that writes for a job which is no longer its own. */
export function leaseLost(jobId: number): RegistryError {
  return new RegistryError('CONFLICT', { job: jobId }, { message: `job ${jobId} is no longer run by this worker` })
}
