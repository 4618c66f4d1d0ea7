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

/** The right to be the only one of this process that writes to an upload; it ends when it is disposed. */
export class UploadClaim implements Disposable {
  /** Where the upload ends by now: bytes that came, whether or not they are durable. Undefined until some did. */
  receivedBytes: number | undefined
  /** Under which it holds among several processes; undefined where this one is alone. */
  fence: number | undefined
  /** Resolves when the claim has ended. */
  readonly ended: Promise<void>
  readonly #stop = new AbortController()
  readonly #end: () => void

  constructor(onEnd: () => void) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.#end = () => {
      onEnd()
      resolve()
    }
  }

  /** Aborts with the error that the sender is to get, when somebody ends the upload. */
  get stopped(): AbortSignal {
    return this.#stop.signal
  }

  stop(reason: Error): void {
    this.#stop.abort(reason)
  }

  [Symbol.dispose](): void {
    this.#end()
  }
}

/** Claims hold in this process only; between processes the session's row decides, by its offset. */
export class UploadTable {
  readonly #clock: Clock
  /** Oldest use first. */
  readonly #held = new Map<string, HeldUpload>()
  readonly #claimed = new Map<string, UploadClaim>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Makes the caller the only one of this process that writes to the upload until it disposes the claim; undefined when another one does. */
  claim(uploadId: string): UploadClaim | undefined {
    if (this.#claimed.has(uploadId)) return undefined
    const claim = new UploadClaim(() => this.#claimed.delete(uploadId))
    this.#claimed.set(uploadId, claim)
    return claim
  }

  /** As {@link claim}, after stopping whoever has it: their request ends with `reason`, unless it was past stopping. */
  async takeOver(uploadId: string, reason: Error): Promise<UploadClaim> {
    for (;;) {
      const holder = this.#claimed.get(uploadId)
      const claim = this.claim(uploadId)
      if (claim !== undefined) return claim
      holder?.stop(reason)
      await holder?.ended
    }
  }

  /** Where an upload that is being received ends by now; undefined where none is. */
  receivedBytes(uploadId: string): number | undefined {
    return this.#claimed.get(uploadId)?.receivedBytes
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
