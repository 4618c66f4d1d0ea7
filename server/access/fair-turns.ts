/**
 * Turns at what is dear: so many run at once, the others wait in a short queue.
 *
 * The problem: whoever floods the queue with wrong passwords would keep out those who have the right one. The way: who is known (the account was opened
 * from there before) goes before strangers; networks take turns, each in its own order; and when the queue is full, whoever has
 * most in it gives way. So a flood from one place costs others one turn each, and one from everywhere costs nothing to who is known. Where a turn may
 * rest (what was dear came to nothing), strangers wait for the end of that and who is known does not: so a flood does not decide how busy the machine is.
 */
import type { Timers } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'

const waitingMax = 100
const retryAfterSeconds = 2

/** For whom a turn is. */
export interface TurnSeeker {
  /** What stands for one client: see networks.ts. */
  readonly network: string
  /** The account was opened from there before. */
  readonly isKnown: boolean
  /** Nobody waits for the outcome any more: such a turn is not given. */
  readonly isGone?: (() => boolean) | undefined
}

interface Waiter {
  readonly isGone: (() => boolean) | undefined
  readonly go: () => void
  readonly giveWay: () => void
}

/** Who waits, by network; the first of the map is the next whose turn it is. */
class Line {
  readonly #byNetwork = new Map<string, Waiter[]>()
  #count = 0

  countOf(network: string): number {
    return this.#byNetwork.get(network)?.length ?? 0
  }

  push(network: string, waiter: Waiter): void {
    this.#count++
    const own = this.#byNetwork.get(network)
    if (own === undefined) this.#byNetwork.set(network, [waiter])
    else own.push(waiter)
  }

  shift(): Waiter | undefined {
    for (const [network, own] of this.#byNetwork) {
      const waiter = own.shift()
      this.#count--
      // Behind all others, until it is its turn again.
      this.#byNetwork.delete(network)
      if (own.length > 0) this.#byNetwork.set(network, own)
      return waiter
    }
    return undefined
  }

  /** The network with most waiters, whose last one came last. */
  longest(): { readonly network: string; readonly count: number } {
    let longest = { network: '', count: 0 }
    // In a flood from everywhere each has one, and each refusal asks.
    const most = this.#count === this.#byNetwork.size ? 1 : this.#count
    for (const [network, { length }] of this.#byNetwork) {
      if (length > longest.count) longest = { network, count: length }
      if (longest.count >= most) break
    }
    return longest
  }

  pop(network: string): Waiter | undefined {
    const own = this.#byNetwork.get(network)
    const waiter = own?.pop()
    if (waiter !== undefined) this.#count--
    if (own?.length === 0) this.#byNetwork.delete(network)
    return waiter
  }
}

/** A turn that somebody has. Disposing gives it back. */
export interface Turn extends Disposable {
  /** Once it is given back strangers do not get it for so long. */
  restFor(delayMs: number): void
}

/** Gives turns. One per thing that is dear. */
export class FairTurns {
  readonly #timers: Pick<Timers, 'after'>
  #free: number
  #waiting = 0
  readonly #known = new Line()
  readonly #strangers = new Line()
  /** Turns that only who is known may have until their timers say otherwise. */
  readonly #resting = new Set<Disposable>()

  constructor(atOnce: number, timers: Pick<Timers, 'after'>) {
    this.#free = atOnce
    this.#timers = timers
  }

  /** Throws TOOMANYREQUESTS when the queue is full of others with as good a claim. */
  async take(seeker: TurnSeeker): Promise<Turn> {
    if (this.#free > 0) this.#free--
    else if (!seeker.isKnown || !this.#wake()) await this.#wait(seeker)
    let restMs = 0
    return {
      restFor: (delayMs) => {
        restMs = delayMs
      },
      [Symbol.dispose]: () => {
        if (restMs > 0) this.#rest(restMs)
        else this.#pass()
      },
    }
  }

  /** A turn that rests is somebody's again. */
  #wake(): boolean {
    const [resting] = this.#resting
    if (resting === undefined) return false
    this.#resting.delete(resting)
    resting[Symbol.dispose]()
    return true
  }

  #rest(delayMs: number): void {
    const known = this.#next(this.#known)
    if (known !== undefined) {
      known.go()
      return
    }
    const resting = this.#timers.after(delayMs, () => {
      this.#resting.delete(resting)
      this.#pass()
    })
    this.#resting.add(resting)
  }

  async #wait({ network, isKnown, isGone }: TurnSeeker): Promise<void> {
    if (this.#waiting >= waitingMax) this.#makeRoom(network, isKnown)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const line = isKnown ? this.#known : this.#strangers
    line.push(network, { isGone, go: resolve, giveWay: () => reject(queueFull()) })
    this.#waiting++
    await promise
  }

  #makeRoom(network: string, isKnown: boolean): void {
    const stranger = this.#strangers.longest()
    const line = isKnown && stranger.count === 0 ? this.#known : this.#strangers
    const { network: longest, count } = line === this.#known ? line.longest() : stranger
    const isBefore = isKnown && line === this.#strangers
    // Among equals, whoever would have fewer after both moved; else the queue would change for ever and nobody get through.
    if (!isBefore && line.countOf(network) + 1 >= count) throw queueFull()
    line.pop(longest)?.giveWay()
    this.#waiting--
  }

  /** The turn goes to the next in the queue, so that nobody can slip in between. */
  #pass(): void {
    const next = this.#next(this.#known) ?? this.#next(this.#strangers)
    if (next === undefined) this.#free++
    else next.go()
  }

  /** Whoever hung up is passed over, so that a flood leaves no work behind. */
  #next(line: Line): Waiter | undefined {
    for (;;) {
      const next = line.shift()
      if (next === undefined) return undefined
      this.#waiting--
      if (next.isGone?.() !== true) return next
      next.giveWay()
    }
  }
}

function queueFull(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', undefined, { message: 'too many sign-ins at once', retryAfterSeconds })
}
