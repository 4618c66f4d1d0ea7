/** Whether the server can be reached, as the pools find it, and how many may wait for it meanwhile. */
import type { Logger } from '#lib/logger.ts'
import type { Clock } from '#lib/ports.ts'
import type { AwaySignal } from './metadata.ts'
import { isRefusal, unavailable } from './postgres-errors.ts'

/** Who may wait for a server that is there and busy. Beyond this waiting longer helps nobody. */
const maximumBusy = 20_000

/** Shared by the pools of one database. */
export class Presence implements AwaySignal {
  readonly #log: Logger
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #maximumWaiting: number
  #waiting = 0
  #cause: unknown
  #lostAt: number | undefined
  #place = ''
  readonly #callbacks = new Set<() => void>()

  constructor({ log, clock, maximumWaiting }: { log: Logger; clock: Pick<Clock, 'monotonic'>; maximumWaiting: number }) {
    this.#log = log
    this.#clock = clock
    this.#maximumWaiting = maximumWaiting
  }

  get isAway(): boolean {
    return this.#lostAt !== undefined
  }

  onAway(callback: () => void): Disposable {
    this.#callbacks.add(callback)
    return { [Symbol.dispose]: () => void this.#callbacks.delete(callback) }
  }

  get waiting(): number {
    return this.#waiting
  }

  /** Since when it is away, by the monotonic clock. */
  get awaySince(): number | undefined {
    return this.#lostAt
  }

  /** Why it is away. */
  get cause(): unknown {
    return this.#cause
  }

  /** Takes a place among those who wait, or says why there is none. */
  admit(): Error | undefined {
    const places = this.isAway ? this.#maximumWaiting : Math.max(maximumBusy, this.#maximumWaiting)
    if (this.#waiting >= places) return unavailable(this.#cause ?? new Error('too many wait for the database'))
    this.#waiting++
    return undefined
  }

  leave(): void {
    this.#waiting--
  }

  /** A session was made. */
  found(place: string): void {
    if (this.#lostAt !== undefined) {
      const awayMs = Math.round(this.#clock.monotonic() - this.#lostAt)
      this.#log.info({ place, awayMs, waiting: this.#waiting }, 'the database is back')
    } else if (this.#place !== '' && this.#place !== place) this.#log.info({ place }, 'the database is elsewhere')
    this.#place = place
    this.#lostAt = undefined
    this.#cause = undefined
  }

  /** None could be made, or one that worked was lost. */
  lost(cause: unknown): void {
    this.#cause = cause
    if (this.#lostAt !== undefined) return
    this.#lostAt = this.#clock.monotonic()
    for (const callback of this.#callbacks) callback()
    const said = isRefusal(cause) ? 'the database refuses this user: see database.url and database.passwordfile' : 'the database is away'
    this.#log.warn({ err: cause }, `${said}; what needs it waits`)
  }
}
