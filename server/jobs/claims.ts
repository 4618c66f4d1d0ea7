/** The transactions of workers. */
import { recordEvent } from '#events/record.ts'
import {
  beatRow,
  claimJobs,
  endRow,
  takeBackRow,
  triesOf,
  type Beat,
  type Claiming,
  type Ending,
  type RunningJob,
  type TakenBack,
  type Tries,
} from '#metadata/job-claims.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { advanceJob } from './advance-job.ts'
import { backOffMs } from './back-off.ts'
import type { JobClaim, JobProgress } from './jobs.ts'

/** Takes jobs. */
export const claim = transaction(import.meta.url, 'jobs/claim', (tx, claiming: Claiming) => claimJobs(tx, claiming))

/** Keeps a cursor by itself; see {@link advanceJob}. */
export const advance = transaction(
  import.meta.url,
  'jobs/advance',
  (tx, input: { readonly job: JobClaim; readonly cursor: unknown; readonly progress?: JobProgress | undefined }) =>
    advanceJob(tx, input.job, input.cursor, input.progress),
)

/** Signs of life of all that a worker runs; gives the ids of those that are no longer its own. */
export const beat = transaction(
  import.meta.url,
  'jobs/beat',
  async (tx, { beats, leaseUntil }: { readonly beats: readonly Beat[]; readonly leaseUntil: number }) => {
    const lost: number[] = []
    for (const each of beats) if (!(await beatRow(tx, each, leaseUntil))) lost.push(each.id)
    return lost
  },
)

/** An end of a run, as the worker tells it. */
export interface RunEnding extends JobClaim {
  readonly kind: string
  /** `threw`: it is tried again later, or has failed when it was tried too often; `failed`: no try could do better. */
  readonly outcome: 'done' | 'failed' | 'stopped' | 'released' | 'threw'
  readonly result: string | null
  readonly error: string | null
  readonly progress: string | null
  readonly lines: Ending['lines']
  /** 0 to 1, for the wait before the next try. */
  readonly chance: number
  readonly now: number
}

/** What became of the run. */
export type Ended = 'done' | 'failed' | 'stopped' | 'released' | 'retried' | 'lost'

/** Ends claims, and says how in the same order. */
export const end = transaction(import.meta.url, 'jobs/end', async (tx, endings: readonly RunEnding[]) => {
  const ended: Ended[] = []
  for (const ending of endings) ended.push(await endOne(tx, ending))
  return ended
})

async function endOne(tx: Transactor, ending: RunEnding): Promise<Ended> {
  const { id, fence, result, error, progress, lines, now } = ending
  const isOver = ending.outcome !== 'threw' && ending.outcome !== 'released'
  const tries = isOver ? undefined : await triesOf(tx, ending)
  const outcome = isOver ? ending.outcome : afterTry(tries, ending.outcome)
  const waitMs = outcome === 'retried' ? backOffMs(tries?.attempts ?? 1, ending.chance) : 0
  const state: Ending['state'] = outcome === 'retried' || outcome === 'released' ? 'waiting' : outcome
  const row = { id, fence, state, result, error, progress, lines, now, runAfter: now + waitMs, isReleased: outcome === 'released' }
  if (!(await endRow(tx, row))) return 'lost'
  if (outcome === 'failed') await recordFailure(tx, ending, error ?? '', now)
  return outcome
}

function afterTry(tries: Tries | undefined, outcome: RunEnding['outcome']): 'failed' | 'retried' | 'released' | 'stopped' {
  // Whoever asked for its end shall not see it begin again.
  if (tries?.stopRequested === 1) return 'stopped'
  if (outcome === 'released') return 'released'
  return tries !== undefined && tries.attempts >= tries.attemptsMax ? 'failed' : 'retried'
}

/** Of {@link takeBack}. */
export interface TakingBack {
  readonly jobs: readonly Pick<RunningJob, 'id' | 'fence' | 'leaseUntil'>[]
  readonly now: number
}

/** Takes jobs from workers that were not heard of for a lease's length. */
export const takeBack = transaction(import.meta.url, 'jobs/take-back', async (tx, { jobs, now }: TakingBack) => {
  const taken: TakenBack[] = []
  for (const job of jobs) {
    const one = await takeBackRow(tx, { ...job, now })
    if (one === undefined) continue
    taken.push(one)
    if (one.state === 'failed') await recordFailure(tx, one, 'its process ended again and again', now)
  }
  return taken
})

async function recordFailure(
  tx: Transactor,
  { id, kind }: { readonly id: number; readonly kind: string },
  error: string,
  at: number,
): Promise<void> {
  await recordEvent(tx, {
    action: 'job.failed',
    target: `job:${id}`,
    detail: { kind, error },
    outcome: 'failure',
    at,
    actor: '',
    requestId: '',
  })
}
