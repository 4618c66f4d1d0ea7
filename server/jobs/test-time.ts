/** Time for tests that moves only when it is told to. */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Metadata } from '#metadata/metadata.ts'
import type { PostgresMetadata } from '#metadata/postgres.ts'
import type { JobParts } from './jobs.ts'

interface Timer {
  at: number
  readonly everyMs: number | undefined
  readonly callback: () => void
}

/** Ports whose clock and timers are the test's. */
export interface TestTime {
  readonly ports: JobParts['ports']
  /** Moves both clocks, calls what is due, and lets all that follows from it happen, a quarter of a second at a time. */
  advance(ms: number): Promise<void>
  /** Lets time pass in which nothing runs, as for a process that is paused. */
  pause(ms: number): void
  /** Steps the wall clock alone. */
  stepClock(ms: number): void
}

/** Begins at a moment of its own. */
export function createTestTime(startAt: number = Date.UTC(2026, 0, 15, 12)): TestTime {
  let monotonic = 1_000
  let offset = startAt - monotonic
  const pending = new Set<Timer>()
  const add = (timer: Timer): Disposable => {
    pending.add(timer)
    return { [Symbol.dispose]: () => pending.delete(timer) }
  }
  const after = (delayMs: number, callback: () => void) => add({ at: monotonic + delayMs, everyMs: undefined, callback })
  const fireDue = () => {
    for (const timer of Array.from(pending).filter(({ at }) => at <= monotonic)) {
      if (timer.everyMs === undefined) pending.delete(timer)
      else timer.at = monotonic + timer.everyMs
      timer.callback()
    }
  }
  return {
    ports: {
      clock: { now: () => monotonic + offset, monotonic: () => monotonic },
      random: { bytes: (count) => randomBytes(count), uuid: () => randomUUID() },
      timers: {
        after,
        every: (everyMs, callback) => add({ at: monotonic + everyMs, everyMs, callback }),
        sleep: (delayMs, signal) =>
          new Promise((resolve, reject) => {
            const timer = after(delayMs, resolve)
            signal?.addEventListener('abort', () => (timer[Symbol.dispose](), reject(signal.reason as Error)), { once: true })
          }),
      },
    },
    async advance(ms) {
      const end = monotonic + ms
      while (monotonic < end) {
        // To the end of the quarter in which something is due: in those before nothing would happen.
        const due = Math.min(...Array.from(pending, ({ at }) => at))
        const quarters = Math.max(1, Math.ceil((due - monotonic) / 250))
        monotonic = Math.min(end, monotonic + quarters * 250)
        fireDue()
        await settled()
      }
      await settled()
    },
    pause: (ms) => void (monotonic += ms),
    stepClock: (ms) => void (offset += ms),
  }
}

/** Of each database over a network that a test uses: whether it is at work. */
const atWork = new Set<() => boolean>()

/** Time of tests stands still while this database is at work, however long it takes. SQLite needs it not: {@link settled} knows its turns. */
export function waitFor(metadata: Metadata): Metadata {
  if (metadata.dialect === 'sqlite') return metadata
  let writes = 0
  const write: Metadata['write'] = metadata.write.bind(metadata)
  const close = metadata[Symbol.asyncDispose].bind(metadata)
  const isAtWork = () => {
    const { reads, writes: writing } = (metadata as PostgresMetadata).figures
    return writes > 0 || [reads, writing].some(({ open, idle, waiting }) => waiting > 0 || open > idle)
  }
  atWork.add(isAtWork)
  const counted: Metadata['write'] = async (definition, input) => {
    writes++
    try {
      return await write(definition, input)
    } finally {
      writes--
    }
  }
  const forget = () => (atWork.delete(isAtWork), close())
  return Object.assign(metadata, { write: counted, [Symbol.asyncDispose]: forget })
}

/** Lets what can happen without time passing happen: writes take some turns of the event loop, or as long as {@link waitFor} sees. */
export async function settled(): Promise<void> {
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  for (let quiet = 0; quiet < 12; quiet++) {
    await turn()
    if (Array.from(atWork).some((isAtWork) => isAtWork())) quiet = 0
  }
}
