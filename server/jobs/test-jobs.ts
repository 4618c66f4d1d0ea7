/** Jobs for tests. */
import { pino } from 'pino'
import { systemPorts } from '#lib/ports.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { createJobs } from './create-jobs.ts'
import type { AnyJobKind, JobParts, Jobs } from './jobs.ts'
import { listJobs, readJob } from './list-jobs.ts'
import type { JobRecord } from '#metadata/jobs.ts'
import { waitFor } from './test-time.ts'

/** A room with a database of its own, or on one that is there. */
export interface TestRoom extends AsyncDisposable {
  readonly jobs: Jobs
  readonly parts: JobParts
  read(id: number): Promise<JobRecord>
  all(): Promise<readonly JobRecord[]>
}

/** `file` is `:memory:` unless said. */
export async function openTestRoom(
  kinds: readonly AnyJobKind[],
  { ports = systemPorts, file = ':memory:' }: { readonly ports?: JobParts['ports']; readonly file?: string } = {},
): Promise<TestRoom> {
  const log = pino({ enabled: false })
  const metadata = waitFor(await openTestDatabase(file))
  const parts = { metadata, ports, log }
  const jobs = createJobs({ ...parts, kinds })
  return {
    jobs,
    parts,
    read: (id) => readJob(jobs, id),
    all: async () => (await listJobs(jobs, {}, { limit: 1_000, column: 'createdAt', isDescending: false })).items,
    [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose](),
  }
}

/** Who asks in tests. */
export const somebody = { actor: 'olga', requestId: 'request-1' }

/** Waits, at most some seconds, until it is so. */
export async function eventually(isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    if (await isSo()) return
    await systemPorts.timers.sleep(5)
  }
  throw new Error('it did not become so in five seconds')
}
