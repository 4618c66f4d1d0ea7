/**
 * Lets a few syncs run at once and makes the others wait in order.
 *
 * The problem: a sync holds a thread of libuv's pool until the disk is done, seconds on a bad day, and reads need those threads: eight pushes were
 * enough to stop every pull (measured with syncs of 2 s: 13 s a pull). The way: syncs get a part of the pool, the rest stays for everything else.
 */

/** Half of the threads that the launcher asks libuv for. */
const syncsAtOnce = 8

/** First come, first served; the queue has no limit of its own, as each open upload or directory waits here once at most. */
export class SyncGate {
  readonly #limit: number
  #running = 0
  /** One for each open upload or directory at most. */
  readonly #waiting: (() => void)[] = []

  constructor(limit = syncsAtOnce) {
    this.#limit = limit
  }

  /** Runs `sync` when it is its turn; settles as it does. */
  async run<T>(sync: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limit) this.#running += 1
    // Whoever ends hands its place over, so nobody can come in between.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await sync()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}
