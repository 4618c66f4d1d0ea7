/** Puts work on the queue in the transaction that makes it necessary. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { insertJob, jobOfKey } from '#metadata/jobs.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { defaultAttemptsMax } from './back-off.ts'

/** A job to be. */
export interface NewJob {
  /** Name of a {@link JobKind}. This process need not know it: one that does will run it. */
  readonly kind: string
  /** JSON; what the kind's `run` gets. */
  readonly payload?: unknown
  /** While a job of this key waits or runs there is no second one. */
  readonly uniqueKey?: string | undefined
  /** -100 to 100, larger ones first; 0 unless said. */
  readonly priority?: number | undefined
  /** Not before, in milliseconds since the epoch; at once unless said. */
  readonly runAfter?: number | undefined
  /** Defaults to 5; a kind's own `attemptsMax` is for its enqueuers to pass on. */
  readonly attemptsMax?: number | undefined
  /** The project that it is about. */
  readonly projectId?: number | null | undefined
  /** Name of who wanted it; `schedule:<name>` or empty for the registry itself. */
  readonly createdBy: string
  readonly now: number
}

/** Of {@link enqueueJob}. */
export interface Enqueued {
  readonly jobId: number
  /** False: a job of the same key waits or runs, and this is its id. */
  readonly isNew: boolean
}

const payloadMax = 1024 * 1024
const priorityMax = 100

/** Adds the job in the caller's transaction. Throws for a payload that is no JSON or beyond 1 MiB. */
export async function enqueueJob(tx: Transactor, job: NewJob): Promise<Enqueued> {
  const payload = JSON.stringify(job.payload ?? null)
  if (payload.length > payloadMax) throw new Error(`the payload of a job ${job.kind} has ${payload.length} characters`)
  const { uniqueKey, priority = 0, now } = job
  if (uniqueKey !== undefined) {
    const existing = await jobOfKey(tx, uniqueKey)
    if (existing !== undefined) return { jobId: existing, isNew: false }
  }
  const jobId = await insertJob(tx, {
    kind: job.kind,
    uniqueKey: uniqueKey ?? null,
    priority: Math.max(-priorityMax, Math.min(priorityMax, Math.trunc(priority))),
    payload,
    attemptsMax: job.attemptsMax ?? defaultAttemptsMax,
    runAfter: job.runAfter ?? now,
    projectId: job.projectId ?? null,
    createdBy: job.createdBy,
    now,
  })
  return { jobId, isNew: true }
}

/** As {@link enqueueJob}, for a job that somebody asked for: leaves the event `job.started` when it is a new one. */
export async function startJob(tx: Transactor, job: Omit<NewJob, 'createdBy'>, who: Who): Promise<Enqueued> {
  const enqueued = await enqueueJob(tx, { ...job, createdBy: who.actor })
  if (enqueued.isNew)
    await recordEvent(tx, { action: 'job.started', target: `job:${enqueued.jobId}`, detail: { kind: job.kind }, at: job.now, ...who })
  return enqueued
}

/** {@link enqueueJob} as a transaction of its own. */
export const enqueueAlone = transaction(import.meta.url, 'jobs/enqueue', (tx, job: NewJob) => enqueueJob(tx, job))
