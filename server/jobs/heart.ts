/**
 * The heart of a worker: once a second it looks at what runs. Its own runs that were stopped or lost are told; what other workers left is put back; each
 * few seconds, and whenever a handler said something, all own runs give a sign of life in one write. While the database is away nothing is lost:
 * what was said waits, and a run whose lease cannot be kept alive is asked to end before another worker begins it.
 */
import { runningJobs, type RunningJob } from '#metadata/job-claims.ts'
import { beat, takeBack } from './claims.ts'
import type { ActiveRun } from './job-run.ts'
import { beatMs, createSilence, leaseMs, marginMs, tickMs } from './leases.ts'
import type { WorkerState } from './worker.ts'

/** Jobs that are put back in one transaction. */
const takeBackMax = 500

/** Beats until disposed. */
export interface Heart extends AsyncDisposable {
  /** Settles when what a dead process left was seen to, if that could be done at once. */
  readonly begun: Promise<void>
}

/** Begins to beat. */
export function createHeart(state: WorkerState): Heart {
  const { clock, timers } = state.parts.ports
  const silence = createSilence<number>(clock, { silentMs: leaseMs + marginMs, intervalMs: tickMs })
  let beatAt = clock.monotonic()
  let isFailing = false
  const turn = async () => {
    try {
      const rows = await runningJobs(state.parts.metadata.reader)
      minding(state, rows)
      const others = rows.filter(({ worker }) => worker !== state.name)
      const silent = new Set(silence.observe(others.map((row) => [row.id, `${row.fence} ${row.leaseUntil}`] as const)))
      if (silent.size > 0)
        await putBack(
          state,
          others.filter(({ id }) => silent.has(id)),
        )
      if (await beatAll(state, clock.monotonic() - beatAt >= beatMs)) beatAt = clock.monotonic()
      isFailing = false
    } catch (error) {
      if (!isFailing) state.parts.log.warn({ err: error }, 'jobs cannot be looked after; it is tried again each second')
      isFailing = true
    }
    endLate(state)
  }
  const begun = state.options.isAlone === true ? takeAll(state) : Promise.resolve()
  let current = Promise.resolve()
  let isBusy = false
  const timer = timers.every(tickMs, () => {
    if (isBusy) return
    isBusy = true
    current = turn().finally(() => (isBusy = false))
  })
  return {
    begun,
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await begun
      await current
    },
  }
}

/** With no other process at work, whatever runs was left by a dead one. */
async function takeAll(state: WorkerState): Promise<void> {
  try {
    const rows = await runningJobs(state.parts.metadata.reader)
    await putBack(
      state,
      rows.filter(({ worker }) => worker !== state.name),
    )
  } catch (error) {
    state.parts.log.warn({ err: error }, 'jobs of the process before cannot be taken up yet: they are when their leases are over')
  }
}

async function putBack({ parts }: WorkerState, rows: readonly RunningJob[]): Promise<void> {
  for (let start = 0; start < rows.length; start += takeBackMax) {
    const jobs = rows.slice(start, start + takeBackMax).map(({ id, fence, leaseUntil }) => ({ id, fence, leaseUntil }))
    const taken = await parts.metadata.write(takeBack, { jobs, now: parts.ports.clock.now() })
    for (const { id, kind, state } of taken) parts.log.warn({ job: id, kind, state }, 'a job was left by a process that ended')
  }
}

/** Tells own runs what their rows say. */
function minding({ active }: WorkerState, rows: readonly RunningJob[]): void {
  const byId = new Map(rows.map((row) => [row.id, row]))
  for (const run of active.values()) {
    const row = byId.get(run.claimed.id)
    // A row that is not there may have ended in a transaction of ours that is not answered yet: the beat will tell.
    if (row === undefined) continue
    if (row.fence !== run.claimed.fence) run.abort('lost')
    else if (row.stopRequested === 1) run.abort('stopped')
  }
}

/** Whether it was done for all. */
async function beatAll({ parts, active }: WorkerState, isTime: boolean): Promise<boolean> {
  const runs = [...active.values()].filter((run) => !run.isEnding && (isTime || run.hasSaid))
  if (runs.length === 0) return isTime
  const { clock } = parts.ports
  const confirmedAt = clock.monotonic()
  const told = runs.map((run) => ({ run, said: run.takeSaid() }))
  const beats = told.map(({ run, said }) => ({ id: run.claimed.id, fence: run.claimed.fence, ...said }))
  try {
    const lost = new Set(await parts.metadata.write(beat, { beats, leaseUntil: clock.now() + leaseMs }))
    for (const { run } of told) {
      if (lost.has(run.claimed.id)) run.abort('lost')
      else run.confirmedAt = confirmedAt
    }
    return isTime
  } catch (error) {
    for (const { run, said } of told) run.putBack(said)
    throw error
  }
}

/** Whoever could not say for a lease's length that they live must take it that they are given up. */
function endLate({ parts, active }: WorkerState): void {
  const now = parts.ports.clock.monotonic()
  for (const run of active.values()) if (isLate(run, now)) run.abort('lost')
}

function isLate(run: ActiveRun, now: number): boolean {
  return !run.isEnding && now - run.confirmedAt > leaseMs
}
