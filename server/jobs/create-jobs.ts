/** Makes the room of jobs. */
import { retryJob, stopJob } from './control-jobs.ts'
import { enqueueAlone } from './enqueue-job.ts'
import type { AnyJobKind, JobParts, Jobs, StartOptions } from './jobs.ts'
import { pruneJobsJob } from './prune-jobs.ts'
import { startScheduler } from './scheduler.ts'
import { seedSchedules } from './schedules.ts'
import { startWorker, type Worker } from './worker.ts'

const kindName = /^[a-z][a-z0-9-]{0,63}$/

/** `kinds`: what this process can run; the room adds its own. Nothing runs before `start`. */
export function createJobs({ kinds, ...parts }: JobParts & { readonly kinds: readonly AnyJobKind[] }): Jobs {
  const known = new Map<string, AnyJobKind>()
  for (const kind of [...kinds, pruneJobsJob(parts)]) {
    if (!kindName.test(kind.name) || known.has(kind.name))
      throw new Error(`${kind.name} is no name for a kind of job, or there are two of it`)
    known.set(kind.name, kind)
  }
  const { metadata, ports } = parts
  const workers = new Set<Worker>()
  const wake = () => workers.forEach((worker) => worker.wake())
  return {
    parts,
    kinds: known,
    async enqueue(job) {
      const enqueued = await metadata.write(enqueueAlone, { ...job, now: ports.clock.now() })
      wake()
      return enqueued
    },
    start: (options = {}) => start({ parts, known, workers, wake }, options),
    stop: (jobId, who) => metadata.write(stopJob, { jobId, who, now: ports.clock.now() }),
    async retry(jobId, who) {
      await metadata.write(retryJob, { jobId, who, now: ports.clock.now() })
      wake()
    },
  }
}

interface Room {
  readonly parts: JobParts
  readonly known: ReadonlyMap<string, AnyJobKind>
  readonly workers: Set<Worker>
  readonly wake: () => void
}

function start({ parts, known, workers, wake }: Room, options: StartOptions): AsyncDisposable {
  const worker = startWorker(parts, known, options)
  workers.add(worker)
  const scheduling = seedSchedules(parts, known.values())
    .catch((error: unknown) => parts.log.warn({ err: error }, 'schedules cannot be written down: those that are there are kept'))
    .then(() => startScheduler(parts, { kinds: known, isAlone: options.isAlone, onFired: wake }))
  return {
    async [Symbol.asyncDispose]() {
      workers.delete(worker)
      await (await scheduling)[Symbol.asyncDispose]()
      await worker[Symbol.asyncDispose]()
    },
  }
}
