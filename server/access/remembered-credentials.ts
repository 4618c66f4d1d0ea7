/**
 * Verified passwords, remembered for a minute; while the database is away, without which none can be checked, for as long as that lasts.
 *
 * The problem: docker sends the password with every request, and each check costs 30 to 300 ms of a core by design. The way: a check that
 * succeeded is remembered under an HMAC (with a key that lives in this process only) of name, password and the stored hash it was checked against;
 * so a changed or removed account is forgotten by itself. Memory lets in from where the check was made; from elsewhere, and from where many wrong ones came,
 * the back-off is asked first, so that who has to wait cannot tell the right password from others. Equal checks at the same time share one
 * computation; different ones wait for their turns (fair-turns.ts). After a hash that found a password wrong its turn rests: whoever sends wrong ones from ever new addresses, which no count
 * stops, would keep a core busy otherwise.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import type { Ports } from '#lib/ports.ts'
import type { AwaySignal } from '#metadata/metadata.ts'
import { unlessAway } from '#metadata/unless-away.ts'
import type { BasicCredential } from './basic-credential.ts'
import { hashesAtOnce } from './hash-passwords.ts'
import { FairTurns, type Turn, type TurnSeeker } from './fair-turns.ts'

const rememberedForMs = 60_000
const maxRemembered = 10_000
/** So many times as long as the hash took, a second at most: strangers' wrong passwords take a twenty-fifth of a core (what was measured: bench/README.md). */
const restFactor = 24
const restMaxMs = 1_000
const networksMax = 1_000

/** Where a credential comes from. */
export interface Door {
  readonly network: string
  /** So many were refused there that memory alone lets nobody in. */
  readonly isBesieged: () => boolean
  /** Whose turn it is; throws while whoever comes from there has to wait. */
  readonly admit: () => Promise<TurnSeeker>
}

/** For checks of which nobody says where they come from. */
const noDoor: Door = { network: '', isBesieged: () => false, admit: async () => ({ network: '', isKnown: false }) }

/** A check under way. */
interface Check {
  readonly network: string
  readonly outcome: Promise<boolean>
  /** More than the one who began it wait for its outcome. */
  isShared: boolean
}

/** What was found right. */
interface Memory {
  readonly until: number
  /** From where it was let in. */
  readonly networks: Set<string>
}

/** Checks passwords at the price of a lookup where it can. */
export class RememberedCredentials {
  readonly #clock: Ports['clock']
  /** As an object: from bytes each HMAC would cost 10 µs instead of one. */
  readonly #key: KeyObject
  readonly #turns: FairTurns
  readonly #isHashing: boolean
  readonly #away: AwaySignal | undefined
  /** By HMAC, oldest first. */
  readonly #known = new Map<string, Memory>()
  readonly #pending = new Map<string, Check>()

  /** `maximumRunning`: checks at a time, where they do not hash. */
  constructor(
    { clock, random, timers }: Pick<Ports, 'clock' | 'random' | 'timers'>,
    { maximumRunning, away }: { readonly maximumRunning?: number | undefined; readonly away?: AwaySignal | undefined } = {},
  ) {
    this.#away = away
    this.#clock = clock
    this.#key = createSecretKey(random.bytes(32))
    this.#turns = new FairTurns(maximumRunning ?? hashesAtOnce, timers)
    this.#isHashing = maximumRunning === undefined
  }

  /**
   * Whether the password fits `storedHash`, by memory or by `verify`. Throws TOOMANYREQUESTS when too many checks wait already, and what the `door` throws,
   * which is asked before a check takes its place in the queue.
   */
  async check(credential: BasicCredential, storedHash: string, verify: () => Promise<boolean>, door: Door = noDoor): Promise<boolean> {
    const id = this.#identify(credential, storedHash)
    const memory = this.#known.get(id)
    const isLetIn = memory?.networks.has(door.network) === true && !door.isBesieged()
    const isFresh = memory !== undefined && memory.until > this.#clock.monotonic()
    if (isLetIn && isFresh) return true
    const check = () => (isFresh ? letIn(memory, door) : (this.#share(id, door) ?? this.#begin(id, verify, door)))
    // The hash is still the account's, as far as can be known: who was let in goes on.
    return await unlessAway(this.#away, check, () => (isLetIn ? true : undefined))
  }

  #share(id: string, { network, admit }: Door): Promise<boolean> | undefined {
    const pending = this.#pending.get(id)
    if (pending === undefined) return undefined
    pending.isShared = true
    return pending.network === network ? pending.outcome : admit().then(() => pending.outcome)
  }

  #begin(id: string, verify: () => Promise<boolean>, { network, admit }: Door): Promise<boolean> {
    const seek = async (): Promise<TurnSeeker> => {
      const seeker = await admit()
      return { ...seeker, isGone: () => this.#pending.get(id)?.isShared !== true && seeker.isGone?.() === true }
    }
    const check = async () => {
      const isValid = await this.#verifyInTurn(verify, seek)
      if (isValid) this.#remember(id, network)
      return isValid
    }
    const outcome = check().finally(() => this.#pending.delete(id))
    this.#pending.set(id, { network, outcome, isShared: false })
    return outcome
  }

  #identify({ name, password }: BasicCredential, storedHash: string): string {
    // Names and passwords have no control characters (basic-credential.ts), so NUL keeps the parts apart.
    return createHmac('sha256', this.#key).update(`${name}\0${password}\0${storedHash}`).digest('base64')
  }

  /** Remembers a credential that was found right by other means. */
  remember(credential: BasicCredential, storedHash: string, network: string): void {
    this.#remember(this.#identify(credential, storedHash), network)
  }

  /** Runs what a wrong password would have cost elsewhere when its turn comes. */
  async spendInTurn(seeker: TurnSeeker, spend: () => Promise<void>): Promise<void> {
    using turn = await this.#turns.take(seeker)
    const startedAt = this.#clock.monotonic()
    await spend()
    this.#rest(turn, startedAt)
  }

  async #verifyInTurn(verify: () => Promise<boolean>, seek: () => Promise<TurnSeeker>): Promise<boolean> {
    using turn = await this.#turns.take(await seek())
    const startedAt = this.#clock.monotonic()
    const isValid = await verify()
    if (!isValid && this.#isHashing) this.#rest(turn, startedAt)
    return isValid
  }

  #rest(turn: Turn, startedAt: number): void {
    turn.restFor(Math.min(restMaxMs, restFactor * (this.#clock.monotonic() - startedAt)))
  }

  #remember(id: string, network: string): void {
    const networks = this.#known.get(id)?.networks ?? new Set()
    this.#known.delete(id)
    this.#known.set(id, { until: this.#clock.monotonic() + rememberedForMs, networks: keep(networks, network) })
    if (this.#known.size <= maxRemembered) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#known.delete(oldest)
  }
}

async function letIn({ networks }: Memory, { network, admit }: Door): Promise<true> {
  await admit()
  keep(networks, network)
  return true
}

/** Beyond its bound the oldest has to ask again. */
function keep(networks: Set<string>, network: string): Set<string> {
  networks.delete(network)
  networks.add(network)
  const [oldest] = networks
  if (networks.size > networksMax && oldest !== undefined) networks.delete(oldest)
  return networks
}
