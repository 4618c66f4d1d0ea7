/**
 * A bounded set of sessions of one kind, and the line of those who wait for one.
 *
 * The problem: a failover takes 3 to 27 s, and clients of a registry hardly try again. The way: who needs a session waits, with the request's body on its
 * socket; the pool tries on, a little later each time; when a session can be had those who waited go on in order. Waiting is bounded in number
 * and in time, and then UNAVAILABLE. A session serves one statement or one transaction and comes back.
 * A server that is there and busy is not away: who stands in line then is served in time, and waits longer.
 */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import type { Connector, SessionKind } from './postgres-connector.ts'
import { ConnectionLostError, unavailable } from './postgres-errors.ts'
import type { Presence } from './postgres-presence.ts'
import type { Timelines } from './postgres-timelines.ts'

/** Times are milliseconds. */
export interface PoolOptions {
  readonly kind: SessionKind
  readonly connector: Connector
  readonly maximum: number
  /** How long one waits for a server that is away, from when it went or from when one came. */
  readonly holdMs: number
  readonly presence: Presence
  readonly timelines: Timelines
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>
  readonly log: Logger
}

/** Who wants a session. */
export interface Wanted {
  /** Since when, by the monotonic clock: all that it waits for one write or read counts together. */
  readonly since: number
  /** Before all who stand in line: it had its turn, and lost it. */
  readonly isFirst?: boolean
}

interface Waiter {
  readonly since: number
  readonly resolve: (connection: PostgresConnection) => void
  readonly reject: (error: Error) => void
  timer: Disposable
}

/** In line for a server that is there. Longer than that no client waits for an answer. */
const busyMs = 5 * 60_000
const firstRetryMs = 50
const longestRetryMs = 1000
/** A session that nobody used for so long may be cut off by a firewall that says nothing. */
const idleMs = 5 * 60_000
/** Then it is made anew, where DNS or a proxy leads by now. */
const lifetimeMs = 30 * 60_000

/** Owns its sessions. */
export class PostgresPool implements AsyncDisposable {
  readonly #options: PoolOptions
  readonly #idle: PostgresConnection[] = []
  readonly #open = new Set<PostgresConnection>()
  readonly #waiting = new Set<Waiter>()
  /** Those who come first. */
  readonly #waitingFirst = new Set<Waiter>()
  #dialing = 0
  #failures = 0
  #pause: Disposable | undefined
  #closed = false
  #onEmpty: (() => void) | undefined

  constructor(options: PoolOptions) {
    this.#options = options
  }

  get sessions(): Iterable<PostgresConnection> {
    return this.#open
  }

  get figures(): { readonly open: number; readonly idle: number; readonly waiting: number } {
    return { open: this.#open.size, idle: this.#idle.length, waiting: this.#inLine }
  }

  get #inLine(): number {
    return this.#waiting.size + this.#waitingFirst.size
  }

  /** Whether who waits since then has waited as long as one may. */
  hasWaited(since: number): boolean {
    return this.#patience(since) <= 0
  }

  /** A session for its caller alone until it is given to {@link release}. Waits for it, and then UNAVAILABLE. */
  acquire(wanted: Wanted): Promise<PostgresConnection> {
    if (this.#closed) return Promise.reject(unavailable(new Error('the database is closed')))
    const known = this.#takeIdle()
    if (known !== undefined) return Promise.resolve(known)
    return this.#wait(wanted)
  }

  release(connection: PostgresConnection): void {
    const { clock } = this.#options.ports
    connection.usedAt = clock.monotonic()
    if (connection.isBroken) return this.#dial()
    this.#options.timelines.heard(connection.facts)
    if (this.#closed || this.#isOutdated(connection)) return this.#retire(connection)
    this.#hand(connection)
  }

  /** Ends every session: those under way when they come back. For a server that turned out to be the wrong one. */
  flush(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy()
    for (const connection of this.#open) connection.openedAt = Number.NEGATIVE_INFINITY
  }

  /** Refuses who waits, lets who works finish. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#pause?.[Symbol.dispose]()
    for (const waiter of [...this.#waitingFirst, ...this.#waiting]) this.#refuse(waiter, new Error('the database is closed'))
    await Promise.all(this.#idle.splice(0).map((connection) => connection[Symbol.asyncDispose]()))
    if (this.#open.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve))
  }

  #takeIdle(): PostgresConnection | undefined {
    const now = this.#options.ports.clock.monotonic()
    for (let known = this.#idle.pop(); known !== undefined; known = this.#idle.pop()) {
      if (!known.isBroken && now - known.usedAt < idleMs && !this.#isOutdated(known)) return known
      if (!known.isBroken) this.#retire(known)
    }
    return undefined
  }

  #isOutdated(connection: PostgresConnection): boolean {
    return connection.usedAt - connection.openedAt > lifetimeMs || this.#options.timelines.isFormer(connection.facts)
  }

  #wait({ since, isFirst = false }: Wanted): Promise<PostgresConnection> {
    const { promise, resolve, reject } = Promise.withResolvers<PostgresConnection>()
    const refusal = this.#options.presence.admit()
    if (refusal !== undefined) return Promise.reject(refusal)
    const waiter: Waiter = { since, resolve, reject, timer: this.#lookAgain(since, () => this.#look(waiter)) }
    ;(isFirst ? this.#waitingFirst : this.#waiting).add(waiter)
    this.#dial()
    return promise
  }

  /** Milliseconds that who waits since then may still wait, as things are now. */
  #patience(since: number): number {
    const { presence, ports, holdMs } = this.#options
    const { awaySince } = presence
    const until = awaySince === undefined ? since + busyMs : Math.max(awaySince, since) + holdMs
    return until - ports.clock.monotonic()
  }

  /** As things are now, and once in a hold time: the server may go away meanwhile. */
  #lookAgain(since: number, look: () => void): Disposable {
    return this.#options.ports.timers.after(Math.max(0, Math.min(this.#patience(since), this.#options.holdMs)), look)
  }

  #look(waiter: Waiter): void {
    if (this.hasWaited(waiter.since)) this.#refuse(waiter, this.#options.presence.cause ?? new Error('no session became free'))
    else waiter.timer = this.#lookAgain(waiter.since, () => this.#look(waiter))
  }

  #refuse(waiter: Waiter, cause: unknown): void {
    this.#leave(waiter)
    waiter.reject(unavailable(cause))
  }

  #leave(waiter: Waiter): void {
    if (!this.#waitingFirst.delete(waiter)) this.#waiting.delete(waiter)
    waiter.timer[Symbol.dispose]()
    this.#options.presence.leave()
  }

  #hand(connection: PostgresConnection): void {
    const [waiter] = this.#waitingFirst.size > 0 ? this.#waitingFirst : this.#waiting
    if (waiter === undefined) return void this.#idle.push(connection)
    this.#leave(waiter)
    waiter.resolve(connection)
  }

  /** Makes as many sessions as are waited for; while the server is away one at a time, waited for or not, so that its return is seen. */
  #dial(): void {
    if (this.#closed || this.#pause !== undefined) return
    const room = Math.min(this.#inLine - this.#dialing, this.#options.maximum - this.#open.size - this.#dialing)
    const count = this.#failures > 0 ? 1 - this.#dialing : room
    for (let index = 0; index < count; index++) {
      this.#dialing++
      void this.#connect().finally(() => {
        this.#dialing--
        this.#dial()
      })
    }
  }

  async #connect(): Promise<void> {
    const { connector, kind, presence, ports } = this.#options
    try {
      const connection = await connector.connect(kind)
      this.#failures = 0
      presence.found(connection.facts.place)
      if (this.#closed) return connection.destroy()
      // Its end may have come in one piece with the last answer, when nobody here could hear of it yet.
      if (connection.isBroken) throw new ConnectionLostError('the session ended as soon as it was made')
      connection.openedAt = connection.usedAt = ports.clock.monotonic()
      this.#open.add(connection)
      connection.onEnd = () => this.#ended(connection)
      this.#hand(connection)
    } catch (error) {
      this.#failures++
      presence.lost(error)
      this.#rest()
    }
  }

  #rest(): void {
    const { timers, random } = this.#options.ports
    const longest = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(this.#failures, 10))
    const delayMs = longest * (0.5 + random.bytes(1).readUInt8() / 512)
    this.#pause?.[Symbol.dispose]()
    this.#pause = timers.after(delayMs, () => {
      this.#pause = undefined
      this.#dial()
    })
  }

  #retire(connection: PostgresConnection): void {
    connection[Symbol.asyncDispose]().catch(() => undefined)
    this.#dial()
  }

  #ended(connection: PostgresConnection): void {
    this.#open.delete(connection)
    const index = this.#idle.indexOf(connection)
    if (index !== -1) this.#idle.splice(index, 1)
    if (this.#open.size === 0) this.#onEmpty?.()
  }
}
