/**
 * How often tags and manifests are pulled, and when last.
 *
 * The problem: retention and people want to know, and a write for each pull makes the row of a popular image the slowest thing there is. The way: a pull
 * adds to a counter in memory; once a minute, and at the end of the process, the counters are added to the tables in batches. A process that is killed
 * loses a minute of them at most. What counts is a GET of a manifest that is answered with it: not HEAD, not 304, not the API's reads.
 */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { addPulls, type NotedPulls } from '#metadata/tag-pulls.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Tag } from '#oci/reference.ts'

/** A manifest that was sent; `tag` where it was asked for by one. */
export interface NotedPull {
  readonly manifestId: number
  readonly tag: Tag | undefined
}

/** The counters of this process. Disposing writes them. */
export interface PullStatistics extends AsyncDisposable {
  /** Counts it in memory and returns at once. */
  pulled(pull: NotedPull): void
  /** Writes what was counted, now. Never rejects: what cannot be written waits on. */
  flush(): Promise<void>
  /** Counters that wait to be written. */
  readonly pending: number
  /** Pulls that had no room, since the start. */
  readonly dropped: number
}

/** What it is made of. `countersMax` is for tests. */
export interface PullStatisticsParts {
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'clock' | 'timers'>
  readonly log: Logger
  readonly countersMax?: number
}

const flushIntervalMs = 60_000
/** Some 20 MB. It takes a database that is away, or so many different images in a minute, to need more. */
const defaultCountersMax = 100_000
/** Counters in one transaction: some milliseconds of the writer. */
const batchCounters = 1_000

interface Counter {
  readonly manifestId: number
  readonly tag: Tag | undefined
  pulls: number
  lastPulledAt: number
}

const writePulls = transaction(import.meta.url, 'pull-statistics/write', (tx, noted: readonly NotedPulls[]) => addPulls(tx, noted))

/** Begins to write what is counted, every minute. */
export function createPullStatistics(parts: PullStatisticsParts): PullStatistics {
  const { metadata, ports, log, countersMax = defaultCountersMax } = parts
  let counters = new Map<string, Counter>()
  let dropped = 0
  let flushing: Promise<void> | undefined

  const add = ({ manifestId, tag, pulls, lastPulledAt }: NotedPulls) => {
    const key = `${manifestId}/${tag ?? ''}`
    const counter = counters.get(key)
    if (counter !== undefined) {
      counter.pulls += pulls
      counter.lastPulledAt = Math.max(counter.lastPulledAt, lastPulledAt)
    } else if (counters.size < countersMax) counters.set(key, { manifestId, tag, pulls, lastPulledAt })
    else dropped += pulls
  }
  const write = async () => {
    const taken = [...counters.values()]
    counters = new Map()
    for (let at = 0; at < taken.length; at += batchCounters) {
      try {
        await metadata.write(writePulls, taken.slice(at, at + batchCounters))
      } catch (error) {
        log.warn({ err: error, counters: taken.length - at }, 'pull statistics cannot be written: they wait in memory')
        for (const one of taken.slice(at)) add(one)
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
    pulled: (pull) => add({ ...pull, pulls: 1, lastPulledAt: ports.clock.now() }),
    flush,
    get pending() {
      return counters.size
    },
    get dropped() {
      return dropped
    },
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await flush()
    },
  }
}
