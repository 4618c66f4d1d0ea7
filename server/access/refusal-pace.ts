/**
 * When answers to wrong passwords leave.
 *
 * The problem: a refusal without a hash costs a third of a millisecond, so whoever is answered at once can send thousands a second and, worse, tens at the same
 * moment: measured, 32 connections made the p99 of a pull three times what it is without a single hash. The way: answers leave one after the other, a little
 * apart, and those to somebody who is to wait anyway (back-off, or the same wrong password again and again) only after a second. So who
 * waits for each answer slows himself down, and whoever mistypes waits for nothing: their answers go before those that were held. What is held is bounded;
 * beyond that an answer leaves at once and takes its connection with it. A held answer that nobody waits for any more gives its place back at once, and
 * all do when the server ends.
 */
import type { Timers } from '#lib/ports.ts'

const apartMs = 4
const heldForMs = 1_000
/** Answers that are held back: a few seconds and some megabytes at most. */
const heldMax = 1_000

/** The request that an answer is held for. */
export interface Awaited {
  /** Aborts when nobody waits for the answer any more, or it must leave now. Asked for only when the answer is held. */
  hurry(): AbortSignal
  /** Lets the connection go after this answer. */
  closeAfter(): void
  /** The client hung up. */
  isGone(): boolean
}

/** Holds refusals back and apart. One per process. */
export class RefusalPace {
  readonly #timers: Pick<Timers, 'after' | 'sleep'>
  #held = 0
  /** An answer has just left: the next one waits. */
  #isPaused = false
  /** Who waits to leave: those that were not held, and those that were. In order. */
  readonly #lines: readonly [Set<() => void>, Set<() => void>] = [new Set(), new Set()]

  constructor(timers: Pick<Timers, 'after' | 'sleep'>) {
    this.#timers = timers
  }

  /** Resolves when the refusal may leave; `isHeld`: not before a second is over. */
  async turn(isHeld: boolean, awaited?: Awaited): Promise<void> {
    if (this.#held >= heldMax) {
      awaited?.closeAfter()
      return
    }
    if (!isHeld && !this.#isPaused) {
      this.#pause()
      return
    }
    this.#held++
    try {
      await this.#wait(isHeld, awaited?.hurry())
    } finally {
      this.#held--
    }
  }

  async #wait(isHeld: boolean, hurry: AbortSignal | undefined): Promise<void> {
    if (isHeld) await this.#timers.sleep(heldForMs, hurry).catch(() => undefined)
    if (hurry?.aborted === true) return
    if (this.#isPaused) await this.#queue(this.#lines[isHeld ? 1 : 0], hurry)
    else this.#pause()
  }

  async #queue(line: Set<() => void>, hurry: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const leave = () => {
      line.delete(leave)
      hurry?.removeEventListener('abort', leave)
      resolve()
    }
    line.add(leave)
    hurry?.addEventListener('abort', leave, { once: true })
    await promise
  }

  #pause(): void {
    this.#isPaused = true
    this.#timers.after(apartMs, () => {
      const [next] = this.#lines[0].size > 0 ? this.#lines[0] : this.#lines[1]
      this.#isPaused = false
      if (next === undefined) return
      this.#pause()
      next()
    })
  }
}
