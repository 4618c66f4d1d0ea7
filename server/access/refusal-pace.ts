/**
 * Answers to wrong passwords leave one after the other, a little apart.
 *
 * A refusal without a hash costs a third of a millisecond, so whoever is answered at once can send thousands a second and, worse, tens at the same
 * moment: measured, 32 connections made the p99 of a pull three times what it is without a single hash. Held apart they cannot come together either, since each
 * waits for its answer. Whoever mistypes waits for nothing unless somebody else is at it.
 */
import type { Timers } from '#lib/ports.ts'

const apartMs = 4
/** Answers that are held back: a few seconds and some megabytes at most. Whoever comes on top is answered at once. */
const heldMax = 1_000

/** Holds refusals apart. One per process. */
export class RefusalPace {
  readonly #timers: Timers
  #held = 0
  #last: Promise<void> = Promise.resolve()

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** Resolves when the refusal may leave. */
  async turn(): Promise<void> {
    if (this.#held >= heldMax) return
    this.#held++
    const before = this.#last
    this.#last = before.then(() => this.#timers.sleep(apartMs))
    await before
    this.#held--
  }
}
