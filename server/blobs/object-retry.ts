/**
 * Repeats requests to an object store, as long as that helps.
 *
 * The problem: a store answers 503 SlowDown to one request in twenty on an ordinary day, hangs on a bad one, and is away on the worst; a client of ours retries
 * once, if at all. The way: every request of a backend may be repeated, so a failed one is, after a pause that grows and is drawn at random; repeats are paid for
 * from a budget that successes fill, so that a store in trouble is not buried in them; and after a row of failures nothing is asked for a while but one probe.
 */
import type { Clock, Random, Timers } from '#lib/ports.ts'
import { ObjectError, type Multipart, type ObjectBackend, type ObjectFault } from './object-backend.ts'

/** Takes one measurement: the request's name, how it went, its seconds. */
export type ObjectObserver = (request: string, outcome: 'ok' | ObjectFault | 'refused by the breaker', seconds: number) => void

/** What repeating needs of its surroundings. */
export interface RetryParts {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly random: Pick<Random, 'bytes'>
  readonly timers: Pick<Timers, 'after' | 'sleep'>
  readonly observe?: ObjectObserver | undefined
}

const attemptsMax = 8
const firstPauseMs = 100
const pauseMaxMs = 5_000
/** Together, pauses included: a client waits hardly longer than that for a small request. */
const givenUpAfterMs = 25_000
const budgetMax = 200
/** Failures without a success in between, after which the store counts as away. */
const failuresInARow = 20
const restMs = 2_000
const breakerOpen = 'BreakerOpen'
const answerWithinMs = 15_000
/** The last attempt has what is left of the time, and no less than this. */
const leastAttemptMs = 1_000
/** A request with a body gets time for it, at this rate. */
const slowestBytesPerSecond = 128 * 1024

/** Asks for repeats and counts them; one for each store. */
export class RetryPolicy {
  readonly #parts: RetryParts
  #budget = budgetMax
  #failures = 0
  #restsUntil = 0
  #isProbing = false
  #lastFailure: Error | undefined

  constructor(parts: RetryParts) {
    this.#parts = parts
  }

  /** Whether the store counts as away. */
  get isOpen(): boolean {
    return this.#failures >= failuresInARow
  }

  /** Of the latest attempt; undefined where the store answered it. */
  get lastFailure(): Error | undefined {
    return this.#lastFailure
  }

  /** Runs `attempt` until it succeeds, fails for good, or it is time to give up. `sizeBytes` of what it sends gives it time. */
  async run<T>(
    request: string,
    { signal, sizeBytes = 0 }: { readonly signal: AbortSignal; readonly sizeBytes?: number },
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const bodyMs = (sizeBytes / slowestBytesPerSecond) * 1_000
    const startedAt = this.#parts.clock.monotonic()
    for (let count = 1; ; count++) {
      const leftMs = givenUpAfterMs + bodyMs - (this.#parts.clock.monotonic() - startedAt)
      try {
        return await this.#once(
          request,
          { signal, timeoutMs: Math.max(leastAttemptMs, Math.min(answerWithinMs + bodyMs, leftMs)) },
          attempt,
        )
      } catch (error) {
        if (!isPassing(error) || count === attemptsMax) throw error
        const pauseMs = this.#pause(count, error.retryAfterMs)
        const isLate = this.#parts.clock.monotonic() + pauseMs - startedAt > givenUpAfterMs + bodyMs
        if (isLate || this.#budget < 1) throw error
        // Nothing was sent where the breaker refused.
        if (error.code !== breakerOpen) this.#budget -= 1
        await this.#parts.timers.sleep(pauseMs, signal)
      }
    }
  }

  async #once<T>(
    request: string,
    { signal, timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs: number },
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { clock, observe } = this.#parts
    signal.throwIfAborted()
    const startedAt = clock.monotonic()
    const isProbe = this.#enter(request, startedAt)
    const late = new AbortController()
    const tooLate = new ObjectError('passing', `no answer within ${Math.round(timeoutMs / 1_000)} s`, { code: 'Timeout' })
    const timer = this.#parts.timers.after(timeoutMs, () => late.abort(tooLate))
    try {
      const result = await attempt(AbortSignal.any([signal, late.signal]))
      this.#succeeded()
      observe?.(request, 'ok', (clock.monotonic() - startedAt) / 1_000)
      return result
    } catch (error) {
      if (signal.aborted) throw error
      const fault = late.signal.aborted ? tooLate : error
      this.#failed(fault)
      observe?.(request, fault instanceof ObjectError ? fault.fault : 'passing', (clock.monotonic() - startedAt) / 1_000)
      throw fault
    } finally {
      timer[Symbol.dispose]()
      if (isProbe) this.#isProbing = false
    }
  }

  /** Whether this request is the one that looks if the store is back; throws where it is not to be asked. */
  #enter(request: string, now: number): boolean {
    if (!this.isOpen) return false
    if (now >= this.#restsUntil && !this.#isProbing) return (this.#isProbing = true)
    this.#parts.observe?.(request, 'refused by the breaker', 0)
    throw new ObjectError('passing', 'the object store did not answer the last requests: it is left alone for a while', {
      code: breakerOpen,
    })
  }

  #succeeded(): void {
    this.#failures = 0
    this.#lastFailure = undefined
    this.#budget = Math.min(budgetMax, this.#budget + 1)
  }

  #failed(error: unknown): void {
    if (!isPassing(error)) {
      // It answered: it is there.
      this.#failures = 0
      this.#lastFailure = undefined
      return
    }
    this.#failures += 1
    this.#lastFailure = error
    this.#restsUntil = this.#parts.clock.monotonic() + restMs
  }

  #pause(count: number, askedMs = 0): number {
    const most = Math.min(pauseMaxMs, firstPauseMs * 2 ** (count - 1))
    const drawn = this.#parts.random.bytes(4).readUInt32LE() / 2 ** 32
    return Math.max(Math.min(askedMs, pauseMaxMs), most * (0.5 + drawn / 2))
  }
}

function isPassing(error: unknown): error is ObjectError {
  return error instanceof ObjectError && (error.fault === 'busy' || error.fault === 'passing')
}

/** The same backend, each request of which is repeated as `policy` has it. Bodies that are read are not. */
export function retrying(backend: ObjectBackend, policy: RetryPolicy): ObjectBackend {
  return {
    name: backend.name,
    parts: backend.parts,
    put: (name, bytes, { signal, ...options }) =>
      policy.run('put', { signal, sizeBytes: bytes.sizeBytes }, (own) => backend.put(name, bytes, { ...options, signal: own })),
    get: (name, { signal, ...options }) => policy.run('get', { signal }, (own) => backend.get(name, { ...options, signal: own })),
    head: (name, signal) => policy.run('head', { signal }, (own) => backend.head(name, own)),
    remove: (names, signal) => policy.run('remove', { signal }, (own) => backend.remove(names, own)),
    list: (page, signal) => policy.run('list', { signal }, (own) => backend.list(page, own)),
    startMultipart: (name, signal) => policy.run('startMultipart', { signal }, (own) => backend.startMultipart(name, own)),
    putPart: (part, bytes, signal) =>
      policy.run('putPart', { signal, sizeBytes: bytes.sizeBytes }, (own) => backend.putPart(part, bytes, own)),
    completeMultipart: (upload, parts, signal) =>
      // Putting thousands of parts together takes the store a while.
      policy.run('completeMultipart', { signal, sizeBytes: parts.length * 64 * 1024 }, (own) =>
        backend.completeMultipart(upload, parts, own),
      ),
    abortMultipart: (upload, signal) => policy.run('abortMultipart', { signal }, (own) => backend.abortMultipart(upload, own)),
    listMultiparts: (prefix, signal) => repeatedList(backend, policy, { prefix, signal }),
    presign: (name, lifetimeMs) => backend.presign(name, lifetimeMs),
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  }
}

type ListedMultipart = Multipart & { readonly startedAt: number }

/** A listing that broke off begins anew, and what it told is not told again. */
async function* repeatedList(
  backend: ObjectBackend,
  policy: RetryPolicy,
  { prefix, signal }: { readonly prefix: string; readonly signal: AbortSignal },
): AsyncGenerator<ListedMultipart> {
  const told = new Set<string>()
  let listing: AsyncIterator<ListedMultipart> | undefined
  const ask = async () => {
    listing ??= backend.listMultiparts(prefix, signal)[Symbol.asyncIterator]()
    try {
      return await listing.next()
    } catch (error) {
      listing = undefined
      throw error
    }
  }
  for (;;) {
    const { done, value } = await policy.run('listMultiparts', { signal }, ask)
    if (done === true) return
    if (told.has(value.multipartId)) continue
    told.add(value.multipartId)
    yield value
  }
}
