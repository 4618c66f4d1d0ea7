/**
 * A worker: takes jobs as far as its kinds have room, runs them, and tells their ends.
 *
 * Three loops, each with one write at most under way: one claims (at once when something was enqueued here or a run ended, else once a second after a look
 * that costs a read), one beats (a sign of life for all runs at once, with what they said, and a look at what runs), one tells ends (all that came
 * together in one transaction). A run's place is free when its end is told, so a kind never has more runs than it may.
 */
import { hasDueJob } from '#metadata/job-claims.ts'
import { claim } from './claims.ts'
import { createEnds, type Ends } from './ends.ts'
import { createHeart } from './heart.ts'
import { createRun, parseJson, type ActiveRun } from './job-run.ts'
import type { AnyJobKind, JobParts, StartOptions } from './jobs.ts'
import { leaseMs } from './leases.ts'
import { createSignalled } from './signalled.ts'

/** Milliseconds between looks at the queue when nothing calls. */
const pollMs = 1_000
/** Jobs in one claim: some milliseconds of the writer. */
const claimMax = 256
/** How long the end of the process waits for handlers that do not listen. */
const patienceMs = 10_000

/** A worker that runs. */
export interface Worker extends AsyncDisposable {
  /** Something was enqueued. */
  wake(): void
}

/** What the loops of a worker share. */
export interface WorkerState {
  readonly parts: JobParts
  readonly kinds: ReadonlyMap<string, AnyJobKind>
  /** Who it is, in rows. */
  readonly name: string
  readonly active: Map<number, ActiveRun>
  readonly options: StartOptions
  readonly isStopping: () => boolean
}

/** Begins to work. Disposing asks all runs to end, waits for them, and lets their jobs wait for the next worker. */
export function startWorker(parts: JobParts, kinds: ReadonlyMap<string, AnyJobKind>, options: StartOptions): Worker {
  const stop = new AbortController()
  const { signal } = stop
  const name = `worker-${parts.ports.random.uuid()}`
  const active = new Map<number, ActiveRun>()
  const state: WorkerState = { parts, kinds, name, active, options, isStopping: () => signal.aborted }
  const bell = createSignalled(parts.ports.timers)
  const ends = createEnds(state, bell.ring)
  const heart = createHeart(state)
  const handlers = new Set<Promise<void>>()
  const begin = (run: ActiveRun, payload: unknown) => {
    const handled = handle(run, payload, ends).finally(() => handlers.delete(handled))
    handlers.add(handled)
  }
  const working = workUntil(signal, { state, ends, begin, wait: () => bell.wait(pollMs, signal) }, heart)
  return {
    wake: bell.ring,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the process is stopping'))
      await working
      for (const run of active.values()) run.abort('released')
      await withPatience(Promise.all(handlers), parts.ports.timers)
      if (handlers.size > 0) parts.log.warn({ jobs: [...active.keys()] }, 'jobs did not end in time: they are taken up again later')
      await ends.finish()
      await heart[Symbol.asyncDispose]()
    },
  }
}

/** Waits for it, but not for ever; and keeps no timer when it came. */
async function withPatience(work: Promise<unknown>, timers: JobParts['ports']['timers']): Promise<void> {
  const enough = new AbortController()
  const late = timers.sleep(patienceMs, enough.signal).catch(() => undefined)
  await Promise.race([work, late])
  enough.abort(new Error('it came in time'))
}

interface Claimer {
  readonly state: WorkerState
  readonly ends: Ends
  readonly begin: (run: ActiveRun, payload: unknown) => void
  readonly wait: () => Promise<void>
}

async function workUntil(signal: AbortSignal, claimer: Claimer, heart: { readonly begun: Promise<void> }): Promise<void> {
  // What a dead process left is put back first, or its unique keys would be in the way.
  await heart.begun
  let isFailing = false
  while (!signal.aborted) {
    try {
      const claimed = await claimDue(claimer)
      isFailing = false
      if (claimed > 0) continue
    } catch (error) {
      // Once is enough: the database being away is told by others too.
      if (!isFailing) claimer.state.parts.log.warn({ err: error }, 'jobs cannot be claimed; it is tried again each second')
      isFailing = true
    }
    await claimer.wait()
  }
}

/** How many it took. */
async function claimDue({ state, ends, begin }: Claimer): Promise<number> {
  const { parts, name } = state
  const { clock } = parts.ports
  const wanted = roomIn(state)
  if (wanted.length === 0) return 0
  const names = wanted.map(({ kind }) => kind)
  if (!(await hasDueJob(parts.metadata.reader, names, clock.now()))) return 0
  const confirmedAt = clock.monotonic()
  const now = clock.now()
  const claimed = await parts.metadata.write(claim, { kinds: wanted, worker: name, now, leaseUntil: now + leaseMs })
  for (const job of claimed) {
    const kind = state.kinds.get(job.kind)
    if (kind === undefined) continue
    const input = inputOf(job)
    const run = createRun(parts, { claimed: job, kind, cursor: 'fault' in input ? undefined : input.cursor, confirmedAt })
    state.active.set(job.id, run)
    if ('fault' in input) ends.failForGood(run, input.fault)
    else begin(run, input.payload)
  }
  return claimed.length
}

function inputOf(job: {
  readonly payload: string
  readonly cursor: string | null
}): { readonly payload: unknown; readonly cursor: unknown } | { readonly fault: string } {
  try {
    return { payload: parseJson(job.payload), cursor: parseJson(job.cursor) }
  } catch {
    return { fault: 'its payload or its cursor is no JSON' }
  }
}

function roomIn({ kinds, active }: WorkerState): { readonly kind: string; readonly limit: number }[] {
  const busy = new Map<string, number>()
  for (const { kind } of active.values()) busy.set(kind.name, (busy.get(kind.name) ?? 0) + 1)
  return [...kinds.values()]
    .map(({ name, concurrency = 1 }) => ({ kind: name, limit: Math.min(claimMax, concurrency - (busy.get(name) ?? 0)) }))
    .filter(({ limit }) => limit > 0)
}

async function handle(run: ActiveRun, payload: unknown, ends: Ends): Promise<void> {
  try {
    ends.done(run, await run.kind.run(run.run, payload))
  } catch (error) {
    ends.threw(run, error)
  }
}
