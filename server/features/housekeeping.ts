/**
 * What a running registry does by itself each minute or so and is too small to be a job: a chore that runs alone, in one process of all (the holder of the
 * lease `housekeeping`), says in the log what it did, and waits for its next turn when it fails. Larger work is a kind of job: housekeeping-jobs.ts.
 * To add a chore, add a row to {@link choresOf}.
 */
import { createSealer } from '#events/seal.ts'
import { lead } from '#jobs/leadership.ts'
import type { Registry } from '#registry/registry.ts'

interface Chore {
  readonly name: string
  readonly intervalMs: number
  /** What it did, for the log; undefined when there was nothing to tell. */
  readonly run: (signal: AbortSignal) => Promise<object | undefined>
}

const minuteMs = 60_000

/** Begins the chores. A read-only registry has none. Disposing stops what runs and waits for it. */
export function startHousekeeping(registry: Registry, { isAlone }: { readonly isAlone: boolean }): AsyncDisposable {
  const stop = new AbortController()
  const running = new Set<Promise<void>>()
  const { ports, log } = registry.context
  const timings: Disposable[] = []
  const chores = registry.options.readOnly ? [] : choresOf(registry)
  const leadership = chores.length > 0 ? lead({ metadata: registry.metadata, ports, log }, { name: 'housekeeping', isAlone }) : undefined
  for (const chore of chores) {
    let current: Promise<void> | undefined
    const turn = () => {
      if (current !== undefined || leadership?.fence() === undefined) return
      const started = (current = runChore(registry, chore, stop.signal).finally(() => {
        running.delete(started)
        current = undefined
      }))
      running.add(started)
    }
    timings.push(ports.timers.every(chore.intervalMs, turn))
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const timing of timings) timing[Symbol.dispose]()
      stop.abort(new Error('the registry is stopping'))
      await Promise.all(running)
      await leadership?.[Symbol.asyncDispose]()
    },
  }
}

function choresOf(registry: Registry): readonly Chore[] {
  const sealer = createSealer(registry.metadata, registry.context.ports.clock)
  return [
    {
      name: 'seal-events',
      intervalMs: minuteMs,
      // A line each minute would say nothing.
      run: async (signal) => void (await sealer.turn(signal)),
    },
  ]
}

async function runChore({ context }: Registry, { name, run }: Chore, signal: AbortSignal): Promise<void> {
  try {
    const report = await run(signal)
    if (report !== undefined) context.log.info({ chore: name, ...report }, 'housekeeping')
  } catch (error) {
    if (!signal.aborted) context.log.error({ chore: name, err: error }, 'housekeeping failed; it is tried again in its next turn')
  }
}
