/** The ends of runs: gathered while a write is under way, and told in one transaction. */
import { RegistryError } from '#oci/errors.ts'
import { describeError } from './describe-error.ts'
import { FinalFailure } from './final-failure.ts'
import { end, type Ended, type RunEnding } from './claims.ts'
import type { ActiveRun } from './job-run.ts'
import type { WorkerState } from './worker.ts'

/** Ends in one transaction. */
const batchMax = 256
/** Between tries while the database is away. */
const retryMs = 1_000
/** In characters of JSON. */
const resultMax = 64 * 1024

type Outcome = Pick<RunEnding, 'outcome' | 'result' | 'error'>

interface Pending extends Outcome {
  readonly run: ActiveRun
}

/** Where a worker tells how its runs end. */
export interface Ends {
  done(run: ActiveRun, result: unknown): void
  threw(run: ActiveRun, error: unknown): void
  /** There is no use in trying it again. */
  failForGood(run: ActiveRun, fault: string): void
  /** Waits until all is told; while the process stops, a database that is away is not waited for. */
  finish(): Promise<void>
}

/** `onFreed` is called when there is room again. */
export function createEnds(state: WorkerState, onFreed: () => void): Ends {
  const { parts } = state
  let pending: Pending[] = []
  let telling: Promise<void> | undefined
  const tell = (run: ActiveRun, outcome: Outcome) => {
    run.isEnding = true
    pending.push({ run, ...outcome })
    telling ??= tellAll().finally(() => (telling = undefined))
  }
  const settle = (run: ActiveRun, outcome: Ended) => {
    state.active.delete(run.claimed.id)
    const durationMs = parts.ports.clock.monotonic() - run.startedAt
    state.options.onEnd?.({ kind: run.kind.name, outcome, durationMs })
    onFreed()
  }
  const tellAll = async () => {
    // All that ends in this turn comes together.
    await Promise.resolve()
    while (pending.length > 0) {
      const batch = pending.splice(0, batchMax)
      const left = await tellBatch(state, batch, settle)
      if (left.length === 0) continue
      pending = [...left, ...pending]
      if (state.isStopping()) return
      await parts.ports.timers.sleep(retryMs)
    }
  }
  return {
    done(run, result) {
      if (tellsSomething(result)) parts.log.info({ job: run.claimed.id, kind: run.kind.name, result }, 'a job did its work')
      tell(run, doneAs(run, result))
    },
    threw(run, error) {
      if (run.aborted === 'lost') return settle(run, 'lost')
      if (run.aborted !== undefined) return tell(run, { outcome: run.aborted, result: null, error: null })
      parts.log.warn({ job: run.claimed.id, kind: run.kind.name, err: error }, 'a job failed')
      const sentence = describeError(error)
      run.run.log('error', sentence)
      tell(run, { outcome: error instanceof FinalFailure ? 'failed' : 'threw', result: null, error: sentence })
    },
    failForGood: (run, fault) => tell(run, { outcome: 'failed', result: null, error: fault }),
    async finish() {
      await telling
      if (pending.length > 0)
        parts.log.warn({ jobs: pending.length }, 'how jobs ended could not be kept: they run again from their cursors')
    },
  }
}

/** A line each time that nothing was to be done would say nothing. */
function tellsSomething(result: unknown): boolean {
  return typeof result === 'object' && result !== null && Object.values(result).some((value) => typeof value === 'number' && value !== 0)
}

/** What came of it, if that is JSON of a sane size. The work is done, whatever its handler returns. */
function doneAs(run: ActiveRun, result: unknown): Outcome {
  try {
    const text = JSON.stringify(result ?? null)
    if (text.length <= resultMax) return { outcome: 'done', result: text, error: null }
    run.run.log('warn', `the result has ${text.length} characters, and is not kept`)
  } catch (error) {
    run.run.log('warn', `the result is no JSON, and is not kept: ${describeError(error)}`)
  }
  return { outcome: 'done', result: null, error: null }
}

/** What could not be told. One that the database refuses for itself does not keep the others. */
async function tellBatch(
  state: WorkerState,
  batch: readonly Pending[],
  settle: (run: ActiveRun, outcome: Ended) => void,
): Promise<readonly Pending[]> {
  const { ports, metadata, log } = state.parts
  const now = ports.clock.now()
  const endings = batch.map(({ run, outcome, result, error }): RunEnding => {
    const { id, fence } = run.claimed
    const chance = ports.random.bytes(4).readUInt32BE() / 2 ** 32
    return { id, fence, kind: run.kind.name, outcome, result, error, ...run.takeSaid(), chance, now }
  })
  try {
    const ended = await metadata.write(end, endings)
    for (const [index, { run }] of batch.entries()) settle(run, ended[index] ?? 'lost')
    return []
  } catch (error) {
    for (const [index, { run }] of batch.entries()) run.putBack({ progress: null, lines: [], ...endings[index] })
    if (error instanceof RegistryError) return batch
    const [first] = batch
    if (batch.length === 1 && first !== undefined) {
      log.error({ err: error, job: first.run.claimed.id }, 'how a job ended cannot be kept: it runs again when its lease is over')
      settle(first.run, 'lost')
      return []
    }
    const left: Pending[] = []
    for (const each of batch) left.push(...(await tellBatch(state, [each], settle)))
    return left
  }
}
