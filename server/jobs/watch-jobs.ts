/**
 * Tells what becomes of jobs, whichever process runs them, to those who watch.
 *
 * The problem: progress is a column that the worker writes, perhaps on another machine, and no event. The way: while somebody watches, one look a second
 * at the jobs that wait or run and at those that are there since the last look, for all who watch together; what changed is told.
 */
import { activeJobs, findJob, newestJobId, jobsAfter, type JobRecord } from '#metadata/jobs.ts'
import type { JobParts } from './jobs.ts'

const lookMs = 1_000
/** Jobs of one look: those beyond them that wait are told when their turn comes nearer. */
const jobsMax = 200

/** Gets a job as it is, first each that waits or runs, then whenever one changed. */
export type JobListener = (job: JobRecord) => void

/** The watch of this process. Disposing ends it. */
export interface JobWatch extends Disposable {
  follow(listener: JobListener): Disposable
}

/** What was told, for as long as somebody watches. */
interface Watched {
  /** Jobs that wait or run, with all there is of each as text. */
  readonly known: Map<number, { readonly text: string; readonly job: JobRecord }>
  newest: number | undefined
  readonly timer: Disposable
}

/** Looks at nothing until somebody watches. */
export function createJobWatch({ metadata, ports, log }: Pick<JobParts, 'metadata' | 'ports' | 'log'>): JobWatch {
  const { reader } = metadata
  const listeners = new Set<JobListener>()
  let watched: Watched | undefined
  let isLooking = false

  const note = ({ known }: Watched, job: JobRecord) => {
    const text = JSON.stringify(job)
    if (known.get(job.id)?.text !== text) for (const tell of listeners) tell(job)
    if (isActive(job)) known.set(job.id, { text, job })
    else known.delete(job.id)
  }
  const look = async (now: Watched) => {
    const { known } = now
    now.newest ??= await newestJobId(reader)
    const active = await activeJobs(reader, jobsMax)
    const added = await jobsAfter(reader, now.newest, jobsMax)
    const seen = new Set([...active, ...added].map(({ id }) => id))
    const gone = await Promise.all([...known.keys()].filter((id) => !seen.has(id)).map((id) => findJob(reader, id)))
    // The last one may have left meanwhile, and another one come.
    if (now !== watched) return
    for (const job of [...gone, ...added, ...active]) if (job !== undefined) note(now, job)
    // Of a job whose row is gone nothing is left to tell.
    for (const id of known.keys()) if (!seen.has(id)) known.delete(id)
    now.newest = Math.max(now.newest, ...added.map(({ id }) => id))
  }
  const turn = () => {
    if (isLooking || watched === undefined) return
    isLooking = true
    look(watched)
      .catch((error: unknown) => log.debug({ err: error }, 'jobs cannot be watched now: the next look tries again'))
      .finally(() => (isLooking = false))
  }
  const end = () => {
    watched?.timer[Symbol.dispose]()
    watched = undefined
  }
  return {
    follow(listener) {
      for (const { job } of watched?.known.values() ?? []) listener(job)
      listeners.add(listener)
      watched ??= { known: new Map(), newest: undefined, timer: ports.timers.every(lookMs, turn) }
      turn()
      return {
        [Symbol.dispose]() {
          listeners.delete(listener)
          if (listeners.size === 0) end()
        },
      }
    },
    [Symbol.dispose]() {
      listeners.clear()
      end()
    },
  }
}

function isActive({ state }: JobRecord): boolean {
  return state === 'waiting' || state === 'running'
}
