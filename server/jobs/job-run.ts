/** One run of a job in this process: what its handler sees, and what waits to be kept of what it says. */
import type { ClaimedJob } from '#metadata/job-claims.ts'
import { advance } from './claims.ts'
import { linesMax, type AnyJobKind, type JobParts, type JobProgress, type JobRun } from './jobs.ts'

/** In characters. */
const messageMax = 2_000

type Line = { readonly at: number; readonly level: 'info' | 'warn' | 'error'; readonly message: string }

/** What a handler said that is not in its row yet. */
export interface Said {
  readonly progress: string | null
  readonly lines: readonly Line[]
}

/** Why a run is asked to end. */
export type RunEnd = 'lost' | 'stopped' | 'released'

/** A run as its worker keeps it. */
export interface ActiveRun {
  readonly claimed: ClaimedJob
  readonly kind: AnyJobKind
  readonly run: JobRun
  /** Monotonic: when it began. */
  readonly startedAt: number
  /** Monotonic: before the last write that proved the lease to be ours. */
  confirmedAt: number
  /** Its handler is through: what is left is to tell how. */
  isEnding: boolean
  /** The first reason counts. */
  abort(why: RunEnd): void
  readonly aborted: RunEnd | undefined
  /** Something waits to be kept. */
  readonly hasSaid: boolean
  /** Takes what waits; `putBack` when it could not be kept. */
  readonly takeSaid: () => Said
  readonly putBack: (said: Said) => void
}

const sentences: Readonly<Record<RunEnd, string>> = {
  lost: 'another worker has taken the job',
  stopped: 'somebody stopped the job',
  released: 'the process is stopping',
}

/** Reads what an earlier version may have written. */
export function parseJson(text: string | null): unknown {
  return text === null ? undefined : (JSON.parse(text) as unknown)
}

/** Makes the run of a claimed job. `cursor` is parsed already. */
export function createRun(
  parts: JobParts,
  { claimed, kind, cursor, confirmedAt }: Pick<ActiveRun, 'claimed' | 'kind' | 'confirmedAt'> & { readonly cursor: unknown },
): ActiveRun {
  const controller = new AbortController()
  const said = createSaid(parts)
  let aborted: RunEnd | undefined
  let reached = cursor
  const job = { id: claimed.id, fence: claimed.fence }
  const run: JobRun = {
    job,
    signal: controller.signal,
    get cursor() {
      return reached
    },
    async save(next, progress) {
      await parts.metadata.write(advance, { job, cursor: next, progress })
      reached = next
      if (progress !== undefined) said.forgetProgress()
    },
    report: said.report,
    log: said.log,
  }
  return {
    claimed,
    kind,
    run,
    startedAt: parts.ports.clock.monotonic(),
    confirmedAt,
    isEnding: false,
    abort(why) {
      if (aborted !== undefined) return
      aborted = why
      controller.abort(new Error(sentences[why]))
    },
    get aborted() {
      return aborted
    },
    get hasSaid() {
      return said.hasSaid
    },
    takeSaid: said.take,
    putBack: said.putBack,
  }
}

interface Saying {
  readonly hasSaid: boolean
  readonly report: JobRun['report']
  readonly forgetProgress: () => void
  readonly log: JobRun['log']
  readonly take: () => Said
  readonly putBack: (said: Said) => void
}

/** Progress is one value that is written over; lines are bounded, so that a handler that talks without end costs nothing. */
function createSaid({ ports }: JobParts): Saying {
  let progress: JobProgress | undefined
  let lines: Line[] = []
  let count = 0
  const add = (level: Line['level'], message: string) => lines.push({ at: ports.clock.now(), level, message: message.slice(0, messageMax) })
  return {
    get hasSaid() {
      return progress !== undefined || lines.length > 0
    },
    report: (next) => void (progress = next),
    forgetProgress: () => void (progress = undefined),
    log: (level, message) => {
      count++
      if (count <= linesMax) add(level, message)
      else if (count === linesMax + 1) add('warn', `this run has said ${linesMax} lines: those that follow are not kept`)
    },
    take: () => {
      const taken = { progress: progress === undefined ? null : JSON.stringify(progress), lines }
      progress = undefined
      lines = []
      return taken
    },
    putBack: (said) => {
      lines = [...said.lines, ...lines]
      if (said.progress !== null) progress ??= JSON.parse(said.progress) as JobProgress
    },
  }
}
