/**
 * What this process knows of the uploads it receives: the running hash between two requests, and which upload has a writer. Losing it loses
 * nothing: a session goes on from its row and the durable bytes of the store. Bounded: the upload that was idle longest is forgotten first.
 */
import type { Hash } from 'node:crypto'
import type { Clock } from '#lib/ports.ts'

/** A hash state has about 1 KiB. */
const maximumHeld = 10_000
const idleMs = 60 * 60 * 1_000

interface HeldUpload {
  readonly hash: Hash
  readonly offsetBytes: number
  readonly usedAt: number
}

/** Claims hold in this process only; between processes the session's row decides, by its offset. */
export class UploadTable {
  readonly #clock: Clock
  /** Oldest use first. */
  readonly #held = new Map<string, HeldUpload>()
  readonly #claimed = new Set<string>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Makes the caller the only one of this process that writes to the upload until it disposes the claim; undefined when another one does. */
  claim(uploadId: string): Disposable | undefined {
    if (this.#claimed.has(uploadId)) return undefined
    this.#claimed.add(uploadId)
    return { [Symbol.dispose]: () => this.#claimed.delete(uploadId) }
  }

  isClaimed(uploadId: string): boolean {
    return this.#claimed.has(uploadId)
  }

  /** Whether the running hash of the first `offsetBytes` bytes is known here. */
  knows(uploadId: string, offsetBytes: number): boolean {
    return this.#held.get(uploadId)?.offsetBytes === offsetBytes
  }

  /** Hands over the running hash of the first `offsetBytes` bytes. The table forgets it: a hash that runs on is no use to anybody else. */
  take(uploadId: string, offsetBytes: number): Hash | undefined {
    const held = this.#held.get(uploadId)
    this.#held.delete(uploadId)
    return held?.offsetBytes === offsetBytes ? held.hash : undefined
  }

  /** Remembers the running hash for the next request. */
  keep(uploadId: string, hash: Hash, offsetBytes: number): void {
    const now = this.#clock.monotonic()
    this.#held.delete(uploadId)
    this.#held.set(uploadId, { hash, offsetBytes, usedAt: now })
    for (const [oldest, { usedAt }] of this.#held) {
      if (this.#held.size <= maximumHeld && now - usedAt < idleMs) break
      this.#held.delete(oldest)
    }
  }

  drop(uploadId: string): void {
    this.#held.delete(uploadId)
  }

  /** How many running hashes are held. */
  get size(): number {
    return this.#held.size
  }
}
