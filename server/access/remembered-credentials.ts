/**
 * Verified passwords, remembered for a minute.
 *
 * The problem: docker sends the password with every request, and each check costs 30 to 300 ms of a core by design. The way: a check that
 * succeeded is remembered under an HMAC (with a key that lives in this process only) of name, password and the stored hash it was checked against;
 * so a changed or removed account is forgotten by itself. Equal checks at the same time share one computation; different ones wait for
 * their turns (turns.ts).
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import type { Ports } from '#lib/ports.ts'
import type { BasicCredential } from './basic-credential.ts'
import { hashesAtOnce } from './hash-passwords.ts'
import { Turns, type TurnSeeker } from './turns.ts'

const rememberedForMs = 60_000
const maxRemembered = 10_000
/** For checks of which nobody says whom they are for. */
const stranger: TurnSeeker = { network: '', isKnown: false }

/** Checks passwords at the price of a lookup where it can. */
export class RememberedCredentials {
  readonly #clock: Ports['clock']
  /** As an object: from bytes each HMAC would cost 10 µs instead of one. */
  readonly #key: KeyObject
  readonly #turns: Turns
  /** HMAC → until when, oldest first. */
  readonly #known = new Map<string, number>()
  readonly #pending = new Map<string, Promise<boolean>>()

  /** `maximumRunning`: checks at a time; more than that only where they do not hash. */
  constructor({ clock, random }: Pick<Ports, 'clock' | 'random'>, maximumRunning: number = hashesAtOnce) {
    this.#clock = clock
    this.#key = createSecretKey(random.bytes(32))
    this.#turns = new Turns(maximumRunning)
  }

  /**
   * Whether the password fits `storedHash`, by memory or by `verify`. Throws TOOMANYREQUESTS when too many checks wait already. `admit` is asked before
   * a check that is not remembered takes its place in the queue: it says whose the place is, and may throw.
   */
  async check(
    credential: BasicCredential,
    storedHash: string,
    verify: () => Promise<boolean>,
    admit?: () => Promise<TurnSeeker>,
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
  async inTurn(seeker: TurnSeeker, run: () => Promise<void>): Promise<void> {
    using _turn = await this.#turns.take(seeker)
    await run()
  }

  async #verifyInTurn(id: string, verify: () => Promise<boolean>, admit: (() => Promise<TurnSeeker>) | undefined): Promise<boolean> {
    using _turn = await this.#turns.take((await admit?.()) ?? stranger)
    const isValid = await verify()
    if (isValid) this.#remember(id)
    return isValid
  }

  #remember(id: string): void {
    this.#known.delete(id)
    this.#known.set(id, this.#clock.monotonic() + rememberedForMs)
    if (this.#known.size <= maxRemembered) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#known.delete(oldest)
  }
}
