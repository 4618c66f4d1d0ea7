/**
 * A bounded set of sessions of one kind, and the line of those who wait for one.
 *
 * The problem: a failover takes 3 to 27 s, and clients of a registry hardly try again. The way: who needs a session waits, with the request's body on its
 * socket; the pool tries on, a little later each time; when a session can be had those who waited go on in order. Waiting is bounded in number
 * and in time, and then UNAVAILABLE. A session serves one statement or one transaction and comes back.
 */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import type { Connector, SessionKind } from './postgres-connector.ts'
import { unavailable } from './postgres-errors.ts'
import type { Presence } from './postgres-presence.ts'

/** Times are milliseconds. */
export interface PoolOptions {
  readonly kind: SessionKind
  readonly connector: Connector
  readonly maximum: number
  readonly presence: Presence
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>
  readonly log: Logger
}

interface Waiter {
  readonly resolve: (connection: PostgresConnection) => void
  readonly reject: (error: Error) => void
  readonly timer: Disposable
}

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
    return { open: this.#open.size, idle: this.#idle.length, waiting: this.#waiting.size }
  }

  /** A session for its caller alone until it is given to {@link release}. Waits until `deadline` (monotonic) at the longest; then UNAVAILABLE. */
  acquire(deadline: number): Promise<PostgresConnection> {
    if (this.#closed) return Promise.reject(unavailable(new Error('the database is closed')))
    const known = this.#takeIdle()
    if (known !== undefined) return Promise.resolve(known)
    return this.#wait(deadline)
  }

  release(connection: PostgresConnection): void {
    const { clock } = this.#options.ports
    connection.usedAt = clock.monotonic()
    if (connection.isBroken) return this.#dial()
    if (this.#closed || connection.usedAt - connection.openedAt > lifetimeMs) return this.#retire(connection)
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
    for (const waiter of this.#waiting) this.#refuse(waiter, new Error('the database is closed'))
    await Promise.all(this.#idle.splice(0).map((connection) => connection[Symbol.asyncDispose]()))
    if (this.#open.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve))
  }

  #takeIdle(): PostgresConnection | undefined {
    const now = this.#options.ports.clock.monotonic()
    for (let known = this.#idle.pop(); known !== undefined; known = this.#idle.pop()) {
      if (!known.isBroken && now - known.usedAt < idleMs) return known
      if (!known.isBroken) this.#retire(known)
    }
    return undefined
  }

  #wait(deadline: number): Promise<PostgresConnection> {
    const { presence, ports } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<PostgresConnection>()
    const refusal = presence.admit()
    if (refusal !== undefined) return Promise.reject(refusal)
    const leave = () => {
      if (this.#waiting.has(waiter)) this.#refuse(waiter, presence.cause ?? new Error('no session became free'))
    }
    const waiter: Waiter = { resolve, reject, timer: ports.timers.after(Math.max(0, deadline - ports.clock.monotonic()), leave) }
    this.#waiting.add(waiter)
    this.#dial()
    return promise
  }

  #refuse(waiter: Waiter, cause: unknown): void {
    this.#leave(waiter)
    waiter.reject(unavailable(cause))
  }

  #leave(waiter: Waiter): void {
    this.#waiting.delete(waiter)
    waiter.timer[Symbol.dispose]()
    this.#options.presence.leave()
  }

  #hand(connection: PostgresConnection): void {
    const [waiter] = this.#waiting
    if (waiter === undefined) return void this.#idle.push(connection)
    this.#leave(waiter)
    waiter.resolve(connection)
  }

  /** Makes as many sessions as are waited for; while the server is away one at a time, waited for or not, so that its return is seen. */
  #dial(): void {
    if (this.#closed || this.#pause !== undefined) return
    const room = Math.min(this.#waiting.size - this.#dialing, this.#options.maximum - this.#open.size - this.#dialing)
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
