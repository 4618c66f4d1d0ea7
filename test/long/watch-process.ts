import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { registryClient } from '../support/registry-client.ts'
import type { RunningBerth } from '../support/start-berth.ts'

const mebibyte = 1 << 20

/** What a server needed while it was watched. */
export interface Watched {
  /** The most memory that it ever had resident, its start included. */
  peakBytes(): number
  /** That, and the longest time that its event loop was held since the watch began, from its own metric; for people. */
  summary(): Promise<string>
}

/** Asks a running server every second how it is, until disposed of. What it did before, its start, does not count as a stall. */
export async function watchProcess(berth: RunningBerth): Promise<Watched & AsyncDisposable> {
  const stop = new AbortController()
  await stallMs(berth)
  let longest = 0
  const look = async () => {
    longest = Math.max(longest, await stallMs(berth))
  }
  const watching = (async () => {
    while (!stop.signal.aborted) {
      await sleep(1000, undefined, { signal: stop.signal }).catch(() => undefined)
      await look()
    }
  })()
  const peakBytes = () => Number(/VmHWM:\s+(\d+)/u.exec(readFileSync(`/proc/${berth.pid()}/status`, 'utf8'))?.[1]) * 1024
  return {
    peakBytes,
    summary: async () => {
      await look()
      return `peak memory ${(peakBytes() / mebibyte).toFixed(0)} MiB; longest stall of the event loop ${longest.toFixed(1)} ms`
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await watching
    },
  }
}

/** Since the last time that somebody asked. */
async function stallMs(berth: RunningBerth): Promise<number> {
  const page = (await registryClient(berth.url).send('/metrics')).body.toString()
  return Number(/^registry_event_loop_lag_seconds\{quantile="1"\} (\S+)/mu.exec(page)?.[1] ?? Number.NaN) * 1000
}
