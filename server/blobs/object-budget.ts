/**
 * Bounds the memory of all uploads to an object store together.
 *
 * The problem: a part must be in memory to be sent again when the store refuses it, and a thousand slow uploads would hold a thousand of them. The way: what
 * uploads hold is counted; above the limit, the one that holds most gives it up (sends a smaller part, or puts what it has into its state object) before
 * anybody takes more.
 */

/** Somebody who holds bytes, and can put them elsewhere. */
export interface BufferHolder {
  /** Bytes that {@link BufferHolder.relieve} would set free. */
  readonly heldBytes: number
  /** Sets them free; never rejects. */
  relieve(): Promise<void>
}

/** One for each store. */
export class BufferBudget {
  readonly #limitBytes: number
  readonly #holders = new Set<BufferHolder>()
  #usedBytes = 0
  #waiting: (() => void)[] = []

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  join(holder: BufferHolder): void {
    this.#holders.add(holder)
  }

  leave(holder: BufferHolder): void {
    this.#holders.delete(holder)
  }

  take(bytes: number): void {
    this.#usedBytes += bytes
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes
    if (this.#usedBytes <= this.#limitBytes) for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Resolves when what is held is within the limit. */
  async room(): Promise<void> {
    while (this.#usedBytes > this.#limitBytes) {
      const holder = this.#largest()
      if (holder === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve))
      else await holder.relieve()
    }
  }

  /** Undefined when all that is held is on its way: then it is soon free. */
  #largest(): BufferHolder | undefined {
    let largest: BufferHolder | undefined
    for (const holder of this.#holders) if (holder.heldBytes > (largest?.heldBytes ?? 0)) largest = holder
    return largest
  }
}
