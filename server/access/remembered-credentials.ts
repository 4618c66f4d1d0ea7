/**
 * Verified passwords, remembered for a minute.
 *
 * The problem: docker sends the password with every request, and each check costs 30 to 300 ms of a core by design. The way: a check that
 * succeeded is remembered under an HMAC (with a key that lives in this process only) of name, password and the stored hash it was checked against;
 * so a changed or removed account is forgotten by itself. Equal checks at the same time share one computation; different ones wait in a short
 * queue, and beyond it are told to come again.
 */
import { createHmac } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { Ports } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import type { BasicCredential } from './basic-credential.ts'

const rememberedForMs = 60_000
const maxRemembered = 10_000
/**
 * Hashes run on libuv's four threads, which also do all file operations: two are left to those. And a core is left to the event loop: on two cores a flood
 * of wrong passwords that took both made the p99 of a pull 12 times what it is (test/long/password-flood.test.ts).
 */
const defaultRunning = Math.max(1, Math.min(2, availableParallelism() - 1))
const maxWaiting = 100
const retryAfterSeconds = 2

/** Checks passwords at the price of a lookup where it can. */
export class RememberedCredentials {
  readonly #clock: Ports['clock']
  readonly #key: Buffer
  readonly #maximumRunning: number
  /** HMAC → until when, oldest first. */
  readonly #known = new Map<string, number>()
  readonly #pending = new Map<string, Promise<boolean>>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  /** `maximumRunning`: checks at a time; more than two only where they do not hash. */
  constructor({ clock, random }: Pick<Ports, 'clock' | 'random'>, maximumRunning: number = defaultRunning) {
    this.#clock = clock
    this.#key = random.bytes(32)
    this.#maximumRunning = maximumRunning
  }

  /**
   * Whether the password fits `storedHash`, by memory or by `verify`. Throws TOOMANYREQUESTS when too many checks wait already. `admit` is asked before
   * a check that is not remembered takes its place in the queue, and may throw.
   */
  async check(
    credential: BasicCredential,
    storedHash: string,
    verify: () => Promise<boolean>,
    admit?: () => Promise<void>,
  ): Promise<boolean> {
    const id = this.#identify(credential, storedHash)
    const until = this.#known.get(id)
    if (until !== undefined && until > this.#clock.monotonic()) return true
    const pending = this.#pending.get(id)
    if (pending !== undefined) return await pending
    const checking = this.#verifyInTurn(id, verify, admit).finally(() => this.#pending.delete(id))
    this.#pending.set(id, checking)
    return await checking
  }

  #identify({ name, password }: BasicCredential, storedHash: string): string {
    // Names and passwords have no control characters (basic-credential.ts), so NUL keeps the parts apart.
    return createHmac('sha256', this.#key).update(`${name}\0${password}\0${storedHash}`).digest('base64')
  }

  /** Remembers a credential that was found right by other means. */
  remember(credential: BasicCredential, storedHash: string): void {
    this.#remember(this.#identify(credential, storedHash))
  }

  /** Runs what costs as much as a check when its turn comes. */
  async inTurn(run: () => Promise<void>): Promise<void> {
    await this.#takeTurn()
    try {
      await run()
    } finally {
      this.#passTurn()
    }
  }

  async #verifyInTurn(id: string, verify: () => Promise<boolean>, admit: (() => Promise<void>) | undefined): Promise<boolean> {
    await admit?.()
    await this.#takeTurn()
    try {
      const isValid = await verify()
      if (isValid) this.#remember(id)
      return isValid
    } finally {
      this.#passTurn()
    }
  }

  async #takeTurn(): Promise<void> {
    if (this.#running < this.#maximumRunning) {
      this.#running += 1
      return
    }
    if (this.#waiting.length >= maxWaiting) {
      throw new RegistryError('TOOMANYREQUESTS', undefined, { message: 'too many sign-ins at once', retryAfterSeconds })
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    await promise
  }

  /** The turn goes to the next in the queue, so that nobody can slip in between. */
  #passTurn(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#running -= 1
    else next()
  }

  #remember(id: string): void {
    this.#known.delete(id)
    this.#known.set(id, this.#clock.monotonic() + rememberedForMs)
    if (this.#known.size <= maxRemembered) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#known.delete(oldest)
  }
}
