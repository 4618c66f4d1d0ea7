/**
 * Free space of the store. Asked at most every few seconds where something is to begin: a statfs for each upload would cost more than it tells.
 *
 * What has begun may go on below the low-water mark, but not down to the last byte: then the database could not take note of anything, deletes
 * included, and nothing that frees space would work any more.
 */
import type { BlobStore } from '#blobs/blob-store.ts'
import type { Clock } from '#lib/ports.ts'

const freshForMs = 2_000
/** Uploads ask again each time that all of them together have taken so much. */
const askEveryBytes = 4 * 1024 * 1024
/** The part of the low-water mark that uploads leave to the database: 16 MiB by default. */
const reservedShare = 1 / 4

/** Answers from what the store said last, and asks it again when that is old or uploads have taken much since. All figures are bytes. */
export class SpaceGauge {
  readonly #store: BlobStore
  readonly #clock: Clock
  #freeBytes = Infinity
  #askedAt = -Infinity
  #takenBytes = 0

  constructor(store: BlobStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** A store that cannot tell is never below. */
  async isBelow(minimumFreeBytes: number): Promise<boolean> {
    if (minimumFreeBytes <= 0) return false
    if (this.#clock.monotonic() - this.#askedAt >= freshForMs) await this.#ask()
    return this.#freeBytes < minimumFreeBytes
  }

  /** Whether an upload that takes so many bytes more must stop for the sake of the database. Costs an addition, most times. */
  isSpent(bytes: number, minimumFreeBytes: number): Promise<boolean> | false {
    this.#takenBytes += bytes
    return minimumFreeBytes > 0 && this.#takenBytes >= askEveryBytes && this.#isReserveReached(minimumFreeBytes)
  }

  async #isReserveReached(minimumFreeBytes: number): Promise<boolean> {
    await this.#ask()
    return this.#freeBytes < minimumFreeBytes * reservedShare
  }

  async #ask(): Promise<void> {
    this.#askedAt = this.#clock.monotonic()
    this.#takenBytes = 0
    this.#freeBytes = (await this.#store.space())?.freeBytes ?? Infinity
  }
}
