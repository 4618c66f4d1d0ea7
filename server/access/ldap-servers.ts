/**
 * The servers of one directory: which to ask, and how many at once.
 *
 * The problem: a login must not wait for a server that is known to be dead, a dead directory must not be hammered, and every search must not cost a
 * connection with TLS and a bind. The way: URLs are tried in order within the caller's deadline, those that failed lately last; connections bound as the
 * account that searches are kept for the next search; passwords of people are tried on connections of their own, which are closed at once.
 */
import type { LdapSettings } from '#api/provider-settings.ts'
import type { AddressGuard } from '#lib/address-guard.ts'
import type { Ports } from '#lib/ports.ts'
import { connectLdap, type LdapConnection } from './ldap-connection.ts'
import { failureOf, LdapFailure, resultCodeOf } from './ldap-failures.ts'
import { Slots } from './slots.ts'

export interface LdapServersOptions {
  readonly settings: LdapSettings
  readonly bindPassword: string
  readonly guard: AddressGuard
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>
}

/** A server that failed is asked last for this long. */
const deadMs = 30_000
/** When all have failed this lately, the failure is given again without asking. */
const failFastMs = 2000
/** Idle connections live no longer: firewalls forget them silently. */
const idleMs = 60_000

interface Death {
  readonly atMs: number
  readonly failure: LdapFailure
}

interface Idle {
  readonly connection: LdapConnection
  readonly timer: Disposable
}

/** Connections of one provider. Disposing closes the idle ones; those in use end with their operation. */
export class LdapServers implements Disposable {
  readonly #options: LdapServersOptions
  readonly #searching: Slots
  readonly #binding: Slots
  readonly #deaths = new Map<string, Death>()
  readonly #idle: Idle[] = []
  #isDisposed = false

  constructor(options: LdapServersOptions) {
    this.#options = options
    this.#searching = new Slots(options.settings.poolSize)
    this.#binding = new Slots(options.settings.poolSize * 2)
  }

  /** Runs `work` on a connection that is bound as the account that searches. A kept connection that turns out to be dead is replaced once. */
  async searching<Result>(signal: AbortSignal, work: (connection: LdapConnection) => Promise<Result>): Promise<Result> {
    using _slot = await this.#searching.take(signal)
    const kept = this.#takeIdle()
    if (kept !== undefined) {
      try {
        return await this.#use(kept, work)
      } catch (error) {
        // Servers close idle connections: that alone is no fault of theirs, and a connection that is made now tells.
        if (kept.isOpen || signal.aborted || resultCodeOf(error) !== undefined) throw this.#noted(kept.url, error)
      }
    }
    const made = await this.#connectBound(signal)
    try {
      return await this.#use(made, work)
    } catch (error) {
      throw this.#noted(made.url, error)
    }
  }

  /** Runs `work` on a connection of its own that nobody is bound on yet. */
  async apart<Result>(signal: AbortSignal, work: (connection: LdapConnection) => Promise<Result>): Promise<Result> {
    using _slot = await this.#binding.take(signal)
    using connection = await this.#connectAny(signal, () => Promise.resolve())
    return await work(connection)
  }

  /** Connects to one server and binds as the account that searches; for tests of settings. */
  async connectTo(url: string, signal: AbortSignal): Promise<LdapConnection> {
    const { settings, guard } = this.#options
    const connection = await connectLdap({ url, trust: settings, guard, signal })
    try {
      await this.#bindAsSearcher(connection, signal)
      return connection
    } catch (error) {
      connection[Symbol.dispose]()
      throw error
    }
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true
    for (const { connection, timer } of this.#idle.splice(0)) {
      timer[Symbol.dispose]()
      connection[Symbol.dispose]()
    }
  }

  async #use<Result>(connection: LdapConnection, work: (connection: LdapConnection) => Promise<Result>): Promise<Result> {
    try {
      return await work(connection)
    } finally {
      this.#keep(connection)
    }
  }

  #noted(url: string, error: unknown): unknown {
    if (error instanceof LdapFailure && error.isOfServer) this.#noteDeath(url, error)
    return error
  }

  #takeIdle(): LdapConnection | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      idle.timer[Symbol.dispose]()
      if (idle.connection.isOpen) {
        idle.connection.isIdle = false
        return idle.connection
      }
    }
    return undefined
  }

  #keep(connection: LdapConnection): void {
    if (this.#isDisposed || !connection.isOpen) return connection[Symbol.dispose]()
    connection.isIdle = true
    const timer = this.#options.ports.timers.after(idleMs, () => {
      const at = this.#idle.findIndex((idle) => idle.connection === connection)
      if (at !== -1) this.#idle.splice(at, 1)
      connection[Symbol.dispose]()
    })
    this.#idle.push({ connection, timer })
  }

  async #connectBound(signal: AbortSignal): Promise<LdapConnection> {
    return await this.#connectAny(signal, (connection, shared) => this.#bindAsSearcher(connection, shared))
  }

  async #bindAsSearcher(connection: LdapConnection, signal: AbortSignal): Promise<void> {
    const { settings, bindPassword } = this.#options
    if (settings.bindDn === '') return
    try {
      await connection.bind(settings.bindDn, bindPassword, signal)
    } catch (error) {
      throw failureOf(error, `bind at ${connection.url}`)
    }
  }

  /** The first server that answers, each within its share of the time that is left. */
  async #connectAny(
    signal: AbortSignal,
    prepare: (connection: LdapConnection, signal: AbortSignal) => Promise<void>,
  ): Promise<LdapConnection> {
    const { settings, guard, ports } = this.#options
    const candidates = this.#candidates()
    const deadline = ports.clock.monotonic() + settings.timeoutMs
    let failure: LdapFailure | undefined
    for (const [index, url] of candidates.entries()) {
      const shareMs = Math.max(1, (deadline - ports.clock.monotonic()) / (candidates.length - index))
      const share = new AbortController()
      using _timer = ports.timers.after(shareMs, () =>
        share.abort(new LdapFailure('timeout', `${url}: it does not answer`, { isOfServer: true })),
      )
      const both = AbortSignal.any([signal, share.signal])
      let connection: LdapConnection | undefined
      try {
        connection = await connectLdap({ url, trust: settings, guard, signal: both })
        await prepare(connection, both)
        this.#deaths.delete(url)
        return connection
      } catch (error) {
        connection?.[Symbol.dispose]()
        failure = failureOf(error, url)
        this.#noteDeath(url, failure)
        if (signal.aborted) break
      }
    }
    throw failure ?? new LdapFailure('unreachable', 'no server is configured')
  }

  #noteDeath(url: string, failure: LdapFailure): void {
    this.#deaths.set(url, { atMs: this.#options.ports.clock.monotonic(), failure })
  }

  /** Throws the last failure when all have failed just now. */
  #candidates(): readonly string[] {
    const nowMs = this.#options.ports.clock.monotonic()
    const { urls } = this.#options.settings
    const isDead = (url: string) => nowMs - (this.#deaths.get(url)?.atMs ?? Number.NEGATIVE_INFINITY) < deadMs
    const living = urls.filter((url) => !isDead(url))
    if (living.length > 0) return [...living, ...urls.filter(isDead)]
    const last = urls.map((url) => this.#deaths.get(url)).toSorted((a, b) => (b?.atMs ?? 0) - (a?.atMs ?? 0))[0]
    if (last !== undefined && nowMs - last.atMs < failFastMs) throw last.failure
    return urls
  }
}
