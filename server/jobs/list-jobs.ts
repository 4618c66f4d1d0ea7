/** What people see of jobs. */
import {
  countJobs,
  findJob,
  listJobs as listRows,
  listLines,
  oldestDueAt,
  type JobFilter,
  type JobLine,
  type JobRecord,
  type JobSort,
} from '#metadata/jobs.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import type { Jobs } from './jobs.ts'

/** A page of jobs. */
export function listJobs({ parts }: Jobs, filter: JobFilter, page: PageRequest<JobSort>): Promise<Page<JobRecord>> {
  return listRows(parts.metadata.reader, filter, page)
}

/** The job of that id. Throws RESOURCE_UNKNOWN. */
export async function readJob({ parts }: Jobs, jobId: number): Promise<JobRecord> {
  const job = await findJob(parts.metadata.reader, jobId)
  if (job === undefined) throw resourceUnknown('job', jobId)
  return job
}

/** Lines of a job after the one of that id, in their order. Throws RESOURCE_UNKNOWN. */
export async function readJobLines(
  jobs: Jobs,
  { jobId, after, limit }: { readonly jobId: number; readonly after: number; readonly limit: number },
): Promise<readonly JobLine[]> {
  await readJob(jobs, jobId)
  return listLines(jobs.parts.metadata.reader, { jobId, after, limit })
}

/** For metrics: how many wait and run, by kind. */
export function jobCounts({ parts }: Jobs): ReturnType<typeof countJobs> {
  return countJobs(parts.metadata.reader)
}

/** For metrics: for how long the oldest job that is due has waited, in seconds. */
export async function queueSeconds({ parts }: Jobs): Promise<number> {
  const now = parts.ports.clock.now()
  const dueAt = await oldestDueAt(parts.metadata.reader, now)
  return dueAt === undefined ? 0 : Math.max(0, now - dueAt) / 1000
}
