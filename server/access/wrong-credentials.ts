/**
 * Wrong passwords, remembered for some seconds, so that one mistake counts once.
 *
 * Clients ask again with the password that was refused: containerd five times for one pull, Helm and the token protocol's POST and GET two or three. Each
 * counted, one typing error would shut its owner out for a while. What was wrong a moment ago from the same address is wrong still, costs no hash,
 * and tells a guesser nothing: every other password counts.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import type { Ports } from '#lib/ports.ts'
import type { BasicCredential } from './basic-credential.ts'
import { clientNetwork } from './networks.ts'

const rememberedForMs = 10_000
const rememberedMax = 10_000

/** What was tried, from where, and what it was checked against: a changed password is another thing. */
export interface WrongAttempt {
  readonly credential: BasicCredential
  readonly address: string
  readonly storedHash: string
}

interface Known {
  readonly until: number
  repeats: number
}

/** Keeps only keyed hashes, in this process. */
export class WrongCredentials {
  readonly #clock: Ports['clock']
  readonly #key: KeyObject
  /** By HMAC, oldest first. */
  readonly #known = new Map<string, Known>()

  constructor({ clock, random }: Pick<Ports, 'clock' | 'random'>) {
    this.#clock = clock
    this.#key = createSecretKey(random.bytes(32))
  }

  /** How often the very same came again since it was found wrong a moment ago, this time included; 0: it was not. */
  repeat(attempt: WrongAttempt): number {
    const known = this.#known.get(this.#identify(attempt))
    if (known === undefined || known.until <= this.#clock.monotonic()) return 0
    known.repeats++
    return known.repeats
  }

  /** Remembers what was found wrong. */
  add(attempt: WrongAttempt): void {
    const id = this.#identify(attempt)
    this.#known.delete(id)
    this.#known.set(id, { until: this.#clock.monotonic() + rememberedForMs, repeats: 0 })
    const [oldest] = this.#known.keys()
    if (this.#known.size > rememberedMax && oldest !== undefined) this.#known.delete(oldest)
  }

  #identify({ credential: { name, password }, address, storedHash }: WrongAttempt): string {
    // Names, passwords and addresses have no control characters, so NUL keeps the parts apart.
    return createHmac('sha256', this.#key)
      .update(`${name}\0${password}\0${clientNetwork(address)}\0${storedHash}`)
      .digest('base64')
  }
}
