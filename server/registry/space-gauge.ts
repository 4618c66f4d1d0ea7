/** Free space of the store, asked at most every few seconds: a statfs for each upload would cost more than it tells. */
import type { BlobStore } from '#blobs/blob-store.ts'
import type { Clock } from '#lib/ports.ts'

const freshForMs = 2_000

export class SpaceGauge {
  readonly #store: BlobStore
  readonly #clock: Clock
  #freeBytes = Infinity
  #askedAt = -Infinity

  constructor(store: BlobStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** A store that cannot tell is never below. */
  async isBelow(minimumFreeBytes: number): Promise<boolean> {
    if (minimumFreeBytes <= 0) return false
    const now = this.#clock.monotonic()
    if (now - this.#askedAt >= freshForMs) {
      this.#askedAt = now
      this.#freeBytes = (await this.#store.space())?.freeBytes ?? Infinity
    }
    return this.#freeBytes < minimumFreeBytes
  }
}
