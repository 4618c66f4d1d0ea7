/**
 * What a running registry does by itself from time to time: ends abandoned uploads, collects garbage, forgets old events.
 * Each chore runs alone, says in the log what it did, and a failure waits for its next turn. To add one, add a row to {@link choresOf}.
 */
import { forgetEndedTokens } from '#access/forget-tokens.ts'
import { pruneEvents } from '#events/prune.ts'
import { createSealer } from '#events/seal.ts'
import { collectGarbage } from '#registry/collect-garbage.ts'
import { purgeUploads } from '#registry/purge-uploads.ts'
import type { Registry } from '#registry/registry.ts'

/** What of housekeeping an operator decides: `storage.maintenance.uploadpurging` and `audit.retention` of the configuration. */
export interface HousekeepingOptions {
  readonly uploadPurging: { readonly enabled: boolean; readonly ageMs: number; readonly intervalMs: number; readonly dryRun: boolean }
  /** How long events are kept. */
  readonly retentionMs: number
}

interface Chore {
  readonly name: string
  readonly intervalMs: number
  /** What it did, for the log; undefined when there was nothing to do. */
  readonly run: (signal: AbortSignal) => Promise<object | undefined>
}

const minuteMs = 60_000
const garbageIntervalMs = 10 * minuteMs
const eventsIntervalMs = 60 * minuteMs
const tokensIntervalMs = 60 * minuteMs
/** The first turn of each, so that a process that is started often does its chores as well. */
const firstTurnMs = minuteMs

/** Begins the chores. A read-only registry has none. Disposing stops what runs and waits for it. */
export function startHousekeeping(registry: Registry, options: HousekeepingOptions): AsyncDisposable {
  const stop = new AbortController()
  const running = new Set<Promise<void>>()
  const { timers } = registry.context.ports
  const timings: Disposable[] = []
  for (const chore of registry.options.readOnly ? [] : choresOf(registry, options)) {
    let current: Promise<void> | undefined
    const turn = () => {
      if (current !== undefined) return
      const started = (current = runChore(registry, chore, stop.signal).finally(() => {
        running.delete(started)
        current = undefined
      }))
      running.add(started)
    }
    timings.push(timers.after(Math.min(firstTurnMs, chore.intervalMs), turn), timers.every(chore.intervalMs, turn))
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const timing of timings) timing[Symbol.dispose]()
      stop.abort(new Error('the registry is stopping'))
      await Promise.all(running)
    },
  }
}

function choresOf(registry: Registry, { uploadPurging, retentionMs }: HousekeepingOptions): readonly Chore[] {
  const sealer = createSealer(registry.metadata, registry.context.ports.clock)
  const { ageMs, dryRun, intervalMs } = uploadPurging
  const purge: Chore = {
    name: 'purge-uploads',
    intervalMs,
    run: async (signal) => unlessIdle(await purgeUploads(registry, { ageMs, dryRun, signal })),
  }
  return [
    ...(uploadPurging.enabled ? [purge] : []),
    {
      name: 'collect-garbage',
      intervalMs: garbageIntervalMs,
      run: async (signal) => unlessIdle(await collectGarbage(registry, { signal })),
    },
    {
      name: 'seal-events',
      intervalMs: minuteMs,
      // A line each minute would say nothing.
      run: async (signal) => void (await sealer.turn(signal)),
    },
    {
      name: 'forget-tokens',
      intervalMs: tokensIntervalMs,
      run: async (signal) => {
        const { metadata, context } = registry
        return unlessIdle({ tokens: await forgetEndedTokens({ metadata, clock: context.ports.clock }, signal) })
      },
    },
    {
      name: 'prune-events',
      intervalMs: eventsIntervalMs,
      run: async (signal) => {
        const now = registry.context.ports.clock.now()
        return unlessIdle({ events: await pruneEvents(registry.metadata, { before: now - retentionMs, now, signal }) })
      },
    },
  ]
}

function unlessIdle<Report extends object>(report: Report): Report | undefined {
  return Object.values(report).some((value) => value !== 0) ? report : undefined
}

async function runChore({ context }: Registry, { name, run }: Chore, signal: AbortSignal): Promise<void> {
  try {
    const report = await run(signal)
    if (report !== undefined) context.log.info({ chore: name, ...report }, 'housekeeping')
  } catch (error) {
    if (!signal.aborted) context.log.error({ chore: name, err: error }, 'housekeeping failed; it is tried again in its next turn')
  }
}
