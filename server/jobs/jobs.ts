/**
 * Durable background work: whatever takes longer than a request is a row of `jobs`, and any process may run it.
 *
 * The problem: a process may be killed at any instant, paused for minutes, or see its clock step, and work must neither be lost nor be done twice in a
 * way that hurts. The way: a job is claimed under a lease, with a fence that each claim raises. Who runs it says again and again that it lives; when
 * that stops for a lease's length, the job is claimed anew from its cursor. What it writes names the fence (advance-job.ts), so one who lost the lease
 * writes nothing. Whether a lease is over is judged by how long its row did not change on one's own monotonic clock, never by comparing wall clocks.
 *
 * To add a kind of work: export a function that makes a {@link JobKind}, and list it in `main.ts`. Its `run` goes from `run.cursor` on in batches, each
 * a transaction that does the work and calls `advanceJob`.
 */
import type { Who } from '#events/event.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import type { NewJob } from './enqueue-job.ts'

/** How far a job is: `total` when it is known, `unit` for people (`blobs`). */
export interface JobProgress {
  readonly done: number
  readonly total?: number | undefined
  readonly unit?: string | undefined
}

/** A kind of work. Payload, result and cursor are JSON. */
export interface JobKind<Payload = unknown, Result = unknown> {
  /** `collect-garbage`: lower case, at most 64 characters; kept in rows, so never renamed. */
  readonly name: string
  /** For people. */
  readonly title: string
  /** How often it is tried without its cursor moving; 5 unless said. Between tries the wait doubles, with jitter. */
  readonly attemptsMax?: number
  /** How many of this kind run in this process at once; 1 unless said. */
  readonly concurrency?: number
  /** When it runs by itself unless somebody decides otherwise: a cron expression of five fields in UTC, or `every 10m`. None: never by itself. */
  readonly schedule?: string | undefined
  /** Does the work from `run.cursor` on. What it throws is a failed try; when `run.signal` aborts it rejects soon. */
  run(run: JobRun, payload: Payload): Promise<Result>
}

/** A kind whose types are forgotten: what a list of kinds holds. */
// oxlint-disable-next-line no-explicit-any -- each kind's own payload type: a row's JSON is as good as the enqueuer's type
export type AnyJobKind = JobKind<any, unknown>

/** Which row, and under which claim of it. */
export interface JobClaim {
  readonly id: number
  readonly fence: number
}

/** A job under way, as its handler sees it. */
export interface JobRun {
  /** For {@link advanceJob}. Id 0: it runs without a row (in a command), and nothing is kept. */
  readonly job: JobClaim
  /** Aborts when the lease is lost, when somebody stops the job and when the process ends. */
  readonly signal: AbortSignal
  /** What was saved last; undefined at first. */
  readonly cursor: unknown
  /** Keeps the cursor. Rejects when the lease is lost. A handler whose work is in the database calls `advanceJob` in its transaction instead. */
  readonly save: (cursor: unknown, progress?: JobProgress) => Promise<void>
  /** Shows how far it is; kept within a second or two, the last one counts. */
  readonly report: (progress: JobProgress) => void
  /** A line for people; kept within a second or two. A run keeps its first {@link linesMax} lines, and says that there were more. */
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void
}

/** What jobs work with. */
export interface JobParts {
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'clock' | 'random' | 'timers'>
  readonly log: Logger
}

/** The room. Lists and schedules are functions on it: list-jobs.ts, schedules.ts. */
export interface Jobs {
  readonly parts: JobParts
  /** What this process can run, by name. */
  readonly kinds: ReadonlyMap<string, AnyJobKind>
  /** Puts a job on the queue in a transaction of its own; a worker of this process takes it at once. */
  enqueue(job: Omit<NewJob, 'now'>): Promise<{ readonly jobId: number; readonly isNew: boolean }>
  /** Begins to run jobs and schedules. Disposing stops what runs, which goes on from its cursor later, here or elsewhere. */
  start(options?: StartOptions): AsyncDisposable
  /** Ends a job: one that waits at once, one that runs within a second or two. Throws RESOURCE_UNKNOWN, and CONFLICT when it has ended. */
  stop(jobId: number, who: Who): Promise<void>
  /** Lets a job that failed or was stopped go on from its cursor. Throws RESOURCE_UNKNOWN, and CONFLICT when there is nothing to retry. */
  retry(jobId: number, who: Who): Promise<void>
}

/** What a process knows when it starts to work. */
export interface StartOptions {
  /** No other process has workers on this database (a lock sees to it): what a dead process left is taken up at once. */
  readonly isAlone?: boolean | undefined
  /** Told of each end of a run, for metrics. */
  readonly onEnd?: ((end: JobEnd) => void) | undefined
}

/** How a run ended. */
export interface JobEnd {
  readonly kind: string
  readonly outcome: 'done' | 'failed' | 'retried' | 'stopped' | 'released' | 'lost'
  readonly durationMs: number
}

/** Lines that one run of a job keeps. */
export const linesMax = 1_000
