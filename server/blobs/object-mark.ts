/**
 * The mark of a store in a bucket: a small object among its blobs with the id of the store, which the database knows too.
 *
 * The problem: a bucket outlives the database beside it, and an empty database in its place (lost, or looked for in the wrong place) takes it for a new one.
 * The way: the object is read once, at the start, and asked for no more. A store that is away then does not keep the registry from starting: whose it is is
 * looked at when it is back, before anything is written to it.
 */
import type { Clock, Random, Timers } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { markName } from './names.ts'
import { ObjectError, type ObjectBackend } from './object-backend.ts'
import { isConflict } from './object-error.ts'
import { readWhole } from './object-read.ts'
import { retrying, RetryPolicy } from './object-retry.ts'
import { markAway, markBytes, markedId, storeLostBecause, type StoreMark, type StoreTrace } from './store-mark.ts'

/** Of {@link createObjectMark}. */
export interface ObjectMarkOptions {
  /** Opens the store for one look at it; it is closed after. */
  readonly open: () => ObjectBackend
  /** Where the object is, for people. */
  readonly path: string
  readonly ports: { readonly clock: Clock; readonly random: Random; readonly timers: Timers }
}

/** A start waits no longer than that for a store that is away. */
const patienceMs = 5_000
/** A look that failed is not made again before that. */
const restMs = 2_000
const maximumBytes = 64 * 1024

/** The mark in one bucket. Touches nothing before its first use. */
export function createObjectMark(options: ObjectMarkOptions): StoreMark {
  return new ObjectMark(options)
}

class ObjectMark implements StoreMark {
  readonly path: string
  readonly #options: ObjectMarkOptions
  /** Whether an object was met by the last look. */
  #isFound = false
  #waiting: (() => Promise<void>) | undefined
  #looking: Promise<void> | undefined
  #failed: { readonly error: unknown; readonly until: number } | undefined

  constructor(options: ObjectMarkOptions) {
    this.path = options.path
    this.#options = options
  }

  get isSettling(): boolean {
    return this.#looking !== undefined
  }

  read(): Promise<string | undefined> {
    return this.#use(async (backend, signal) => {
      const source = { backend, timers: this.#options.ports.timers }
      const found = await readWhole(source, { name: markName, maximumBytes }, signal)
      this.#isFound = found !== undefined
      if (found !== undefined) return found === 'too long' ? undefined : markedId(found.bytes)
      // In a bucket that is not there no object is, either.
      await backend.list({ prefix: markName, limit: 1 }, signal)
      return undefined
    })
  }

  write(id: string): Promise<void> {
    return this.#use(async (backend, signal) => {
      const bytes = markBytes(id)
      const content = { pieces: [bytes], sizeBytes: bytes.length }
      try {
        await backend.put(markName, content, { signal, ...(!this.#isFound && { condition: { isAbsent: true } }) })
      } catch (error) {
        if (error instanceof ObjectError && error.fault === 'unsupported') return void (await backend.put(markName, content, { signal }))
        if (!isConflict(error)) throw error
        // Another process of this database, or an attempt whose answer was lost. Of another database it is none of ours.
        const found = await readWhole({ backend, timers: this.#options.ports.timers }, { name: markName, maximumBytes }, signal)
        if (found === undefined || found === 'too long' || markedId(found.bytes) !== id)
          throw new Error(
            `another database took this store as its own at the same time (${this.path}): each needs a bucket or prefix of its own`,
          )
      }
      this.#isFound = true
    })
  }

  trace(): Promise<StoreTrace | undefined> {
    return this.#use(async (backend, signal) => {
      for (const trace of ['journal', 'blobs'] as const) {
        const { objects } = await backend.list({ prefix: `${trace}/`, limit: 2 }, signal)
        if (objects.some(({ name }) => name !== markName)) return trace
      }
      return undefined
    })
  }

  expect(): void {
    this.#waiting = undefined
    this.#failed = undefined
  }

  settleLater(settle: () => Promise<void>): void {
    this.#waiting = settle
  }

  async require(): Promise<void> {
    if (this.#waiting === undefined) return
    const failed = this.#failed
    if (failed !== undefined && this.#options.ports.clock.monotonic() < failed.until) throw failed.error
    await (this.#looking ??= this.#settle(this.#waiting).finally(() => (this.#looking = undefined)))
  }

  async #settle(settle: () => Promise<void>): Promise<void> {
    try {
      await settle()
      this.#waiting = undefined
      this.#failed = undefined
    } catch (cause) {
      const error = cause instanceof RegistryError ? cause : storeLostBecause(cause)
      this.#failed = { error, until: this.#options.ports.clock.monotonic() + restMs }
      throw error
    }
  }

  /** Throws {@link markAway} where the store does not answer, or is not there. */
  async #use<T>(run: (backend: ObjectBackend, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { open, ports } = this.#options
    const late = new AbortController()
    const policy = new RetryPolicy(ports)
    using _timer = ports.timers.after(patienceMs, () =>
      late.abort(policy.lastFailure ?? new ObjectError('passing', `no answer within ${patienceMs / 1_000} s`, { code: 'Timeout' })),
    )
    try {
      await using backend = open()
      return await run(retrying(backend, policy), late.signal)
    } catch (error) {
      throw error instanceof ObjectError ? markAway(this.path, error) : error
    }
  }
}
