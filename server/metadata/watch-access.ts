/**
 * What is remembered of who may do what, and for how long: until the access epoch (metadata/access-epoch.ts) changes.
 *
 * The problem: a request must cost no read for rights, and a disabled account must lose them at once. The way: the epoch is read at most once a second,
 * by whoever asks next (an idle process asks nothing), and at once after a write of this process that changed it. What is remembered bears the epoch that
 * was in force before it was read, so what a change overtakes is never taken for current.
 */
import { ByteLru } from '#lib/lru.ts'
import type { Clock } from '#lib/ports.ts'
import { changesAccess, readAccessEpoch } from './access-epoch.ts'
import type { Metadata } from './metadata.ts'
import { unlessAway } from './unless-away.ts'

/** How old the word of other processes may be. */
const readIntervalMs = 1000

/** The number that changes when rights do. */
export interface AccessEpoch {
  /** At most a second old, and never from before a change that this process has made. */
  current(): Promise<number>
}

/** The same database, and the epoch that every change of rights made through it moves at once. */
export interface WatchedAccess {
  readonly metadata: Metadata
  readonly epoch: AccessEpoch
}

/** Wraps the database of a process. Writes that go past it are seen within a second. */
export function watchAccess(metadata: Metadata, clock: Pick<Clock, 'monotonic'>): WatchedAccess {
  const epoch = new EpochReader(metadata, clock)
  const watched: Metadata = {
    dialect: metadata.dialect,
    reader: metadata.reader,
    ...(metadata.away !== undefined && { away: metadata.away }),
    async write(definition, input) {
      if (!changesAccess(definition)) return await metadata.write(definition, input)
      try {
        return await metadata.write(definition, input)
      } finally {
        // Of a write that failed it is not known how far it came.
        epoch.expire()
      }
    },
    preload: () => metadata.preload?.(),
    ping: () => metadata.ping(),
    [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose](),
  }
  return { metadata: watched, epoch }
}

interface Reading {
  readonly changes: number
  readonly value: Promise<number>
}

class EpochReader implements AccessEpoch {
  readonly #metadata: Metadata
  readonly #clock: Pick<Clock, 'monotonic'>
  #value = -1
  #freshUntil = Number.NEGATIVE_INFINITY
  /** Counts changes of this process: a reading that began before the last one does not count. */
  #changes = 0
  #reading: Reading | undefined

  constructor(metadata: Metadata, clock: Pick<Clock, 'monotonic'>) {
    this.#metadata = metadata
    this.#clock = clock
  }

  async current(): Promise<number> {
    if (this.#clock.monotonic() < this.#freshUntil) return this.#value
    const read = () => {
      if (this.#reading?.changes !== this.#changes) this.#reading = this.#begin()
      return this.#reading.value
    }
    // While the database is away nobody's rights change: what is remembered goes on.
    return await unlessAway(this.#metadata.away, read, () => (this.#value < 0 ? undefined : this.#value))
  }

  expire(): void {
    this.#changes++
    this.#freshUntil = Number.NEGATIVE_INFINITY
  }

  #begin(): Reading {
    const changes = this.#changes
    const startedAt = this.#clock.monotonic()
    const value = readAccessEpoch(this.#metadata.reader)
      .then((read) => {
        if (changes === this.#changes) {
          this.#value = read
          this.#freshUntil = startedAt + readIntervalMs
        }
        return read
      })
      .finally(() => {
        if (this.#reading === reading) this.#reading = undefined
      })
    const reading: Reading = { changes, value }
    return reading
  }
}

/** Values by key, each for as long as the epoch stands. Absent ones are not remembered: they would let a flood of made-up names push out the others. */
export class EpochMemory<Value extends NonNullable<unknown>> {
  readonly #epoch: AccessEpoch
  readonly #values: ByteLru<Value>
  readonly #pending = new Map<string, Promise<Value | undefined>>()
  #of = -1

  /** `maximumEntries`: what was used longest ago goes first. */
  constructor(epoch: AccessEpoch, maximumEntries: number) {
    this.#epoch = epoch
    this.#values = new ByteLru({ maximumBytes: maximumEntries, sizeOf: () => 1, maximumEntries })
  }

  /** The remembered value, or what `load` gives. Equal questions at the same time are one. */
  async get(key: string, load: () => Promise<Value | undefined>): Promise<Value | undefined> {
    const epoch = await this.#epoch.current()
    if (epoch !== this.#of) this.#forget(epoch)
    const known = this.#values.get(key)
    if (known !== undefined) return known
    const pending = this.#pending.get(key)
    if (pending !== undefined) return await pending
    const loading = load()
      .then((value) => {
        if (value !== undefined && epoch === this.#of) this.#values.set(key, value)
        return value
      })
      .finally(() => {
        if (this.#pending.get(key) === loading) this.#pending.delete(key)
      })
    this.#pending.set(key, loading)
    return await loading
  }

  #forget(epoch: number): void {
    this.#of = epoch
    this.#values.clear()
    this.#pending.clear()
  }
}
