/**
 * Counts what is asked of this process, for the statistics over time.
 *
 * The problem: a write for each pull or request is what a registry can least bear. The way: additions in memory, by hour and project; once a minute, and at
 * the end of the process, they are added to rows that this process alone writes. One that is killed loses a minute at most.
 */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { addCounts, allProjects, type HourCounts } from '#metadata/statistics.ts'
import { transaction } from '#metadata/transaction.ts'
import { bucketOf, noLatencies } from './statistics-latencies.ts'

/** An answer that has left. */
export interface Answered {
  readonly status: number
  /** Undefined where it took as long as the client or the content wanted. */
  readonly durationMs: number | undefined
  readonly projectId: number | undefined
}

/** The counters of this process. Disposing writes them. */
export interface Traffic extends AsyncDisposable {
  answered(answer: Answered): void
  /** A manifest was sent. */
  pulled(projectId: number | undefined): void
  /** A manifest was taken. */
  pushed(projectId: number | undefined): void
  /** Writes what was counted, now. Never rejects: what cannot be written waits. */
  flush(): Promise<void>
  /** Counters that wait to be written. */
  readonly pending: number
}

/** What it is made of. */
export interface TrafficParts {
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>
  readonly log: Logger
  /** For tests. */
  readonly countersMax?: number
}

const flushIntervalMs = 60_000
const hourMs = 3_600_000
/** So many projects asked for something in the hours that wait: some 20 MB. Those beyond them are counted in the sum of all alone. */
const usualCountersMax = 50_000
/** In one transaction: some milliseconds of the writer. */
const batchCounters = 200

interface Counter {
  readonly projectId: number
  readonly at: number
  pulls: number
  pushes: number
  requests: number
  errors: number
  readonly latencies: number[]
}

const writeCounts = transaction(
  import.meta.url,
  'statistics/write',
  (tx, counted: { readonly node: string; readonly hours: readonly HourCounts[] }) => addCounts(tx, counted),
)

/** Begins to write what is counted, every minute. */
export function createTraffic({ metadata, ports, log, countersMax = usualCountersMax }: TrafficParts): Traffic {
  const node = ports.random.uuid()
  /** By hour, of which there is one or a few, then by project. */
  let counters = new Map<number, Map<number, Counter>>()
  let flushing: Promise<void> | undefined
  const pending = () => [...counters.values()].reduce((sum, hour) => sum + hour.size, 0)

  const counterOf = (projectId: number, at: number): Counter | undefined => {
    const hour = counters.get(at) ?? new Map<number, Counter>()
    counters.set(at, hour)
    const known = hour.get(projectId)
    if (known !== undefined || (projectId !== allProjects && pending() >= countersMax)) return known
    const made = { projectId, at, pulls: 0, pushes: 0, requests: 0, errors: 0, latencies: projectId === allProjects ? noLatencies() : [] }
    hour.set(projectId, made)
    return made
  }
  const count = (projectId: number | undefined, add: (counter: Counter) => void) => {
    const now = ports.clock.now()
    const at = now - (now % hourMs)
    const all = counterOf(allProjects, at)
    if (all !== undefined) add(all)
    const own = projectId === undefined ? undefined : counterOf(projectId, at)
    if (own !== undefined) add(own)
  }
  const putBack = (hour: HourCounts) => {
    const counter = counterOf(hour.projectId, hour.at)
    if (counter === undefined) return
    for (const member of ['pulls', 'pushes', 'requests', 'errors'] as const) counter[member] += hour[member]
    for (const [bucket, answers] of hour.latencies.entries()) counter.latencies[bucket] = (counter.latencies[bucket] ?? 0) + answers
  }
  const write = async () => {
    const taken: readonly HourCounts[] = [...counters.values()].flatMap((hour) => [...hour.values()])
    counters = new Map()
    for (let at = 0; at < taken.length; at += batchCounters) {
      try {
        await metadata.write(writeCounts, { node, hours: taken.slice(at, at + batchCounters) })
      } catch (error) {
        log.warn({ err: error, counters: taken.length - at }, 'statistics cannot be written: they wait in memory')
        for (const hour of taken.slice(at)) putBack(hour)
        return
      }
    }
  }
  // One after the other, so that a flush that is asked for covers all that was counted before.
  const flush = async () => {
    await flushing
    flushing ??= write().finally(() => (flushing = undefined))
    await flushing
  }
  const timer = ports.timers.every(flushIntervalMs, () => void flush())
  return {
    answered({ status, durationMs, projectId }) {
      count(projectId, (counter) => {
        counter.requests++
        if (status >= 500) counter.errors++
        if (durationMs === undefined || counter.projectId !== allProjects) return
        const bucket = bucketOf(durationMs)
        counter.latencies[bucket] = (counter.latencies[bucket] ?? 0) + 1
      })
    },
    pulled: (projectId) => count(projectId, (counter) => counter.pulls++),
    pushed: (projectId) => count(projectId, (counter) => counter.pushes++),
    flush,
    get pending() {
      return pending()
    },
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await flush()
    },
  }
}
