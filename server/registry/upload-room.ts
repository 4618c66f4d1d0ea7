/**
 * Whether one upload fits the limits of its projects, asked while its bytes come.
 *
 * The problem: what uploads store counts against a limit from its first byte on, wherever it is noted: as usage, in the rows of uploads under way, or, what
 * came in requests that are not answered yet, in this process alone; yet none may count twice, or uploads that fit would be refused. The way: bytes leave
 * the memory just before the transaction that notes them, and who reads again what is noted does so after somebody ended. For the moment between, what
 * is counted is too little, never too much; the transactions see to the rest.
 */
import { quotaExceeded } from '#oci/quota-exceeded.ts'

/** A limit of bytes, and what was noted of it when it was read. */
export interface ReadLimit {
  readonly projectId: number
  readonly project: string
  readonly limit: number
  readonly used: number
  /** In the rows of uploads under way, of this one too. */
  readonly storedBytes: number
  /** {@link ReceivedBytes.endsIn} when the reading began. */
  readonly ends: number
}

/** What this process receives, by project: bytes that nothing notes yet. */
export class ReceivedBytes {
  readonly #projects = new Map<number, { bytes: number; ends: number }>()

  bytesIn(projectId: number): number {
    return this.#projects.get(projectId)?.bytes ?? 0
  }

  /** How many requests ended that may have noted bytes. */
  endsIn(projectId: number): number {
    return this.#projects.get(projectId)?.ends ?? 0
  }

  add(projectId: number, { bytes = 0, ends = 0 }: { readonly bytes?: number; readonly ends?: number }): void {
    const before = this.#projects.get(projectId) ?? { bytes: 0, ends: 0 }
    this.#projects.set(projectId, { bytes: before.bytes + bytes, ends: before.ends + ends })
  }
}

/** The room of one upload during one request, which disposes it when it is over. */
export class UploadRoom implements Disposable {
  readonly #received: ReceivedBytes
  readonly #read: () => Promise<readonly ReadLimit[]>
  /** Of this upload in its row. */
  readonly #storedBytes: number
  #limits: readonly ReadLimit[]
  #heldBytes = 0

  constructor(
    received: ReceivedBytes,
    { read, limits, storedBytes }: { read: () => Promise<readonly ReadLimit[]>; limits: readonly ReadLimit[]; storedBytes: number },
  ) {
    this.#received = received
    this.#read = read
    this.#limits = limits
    this.#storedBytes = storedBytes
  }

  /** Throws DENIED for an upload of this size, complete or in the middle, that does not fit. */
  require(sizeBytes: number): void {
    for (const limit of this.#limits) {
      const uploading = this.#uploadingBeside(limit)
      if (limit.used + uploading + sizeBytes > limit.limit) throw quotaExceeded({ ...limit, uploading, unit: 'bytes', more: sizeBytes })
    }
  }

  /** Throws DENIED where nothing more fits, however small. */
  requireAny(): void {
    for (const limit of this.#limits) {
      const uploading = this.#uploadingBeside(limit)
      if (limit.used + uploading >= limit.limit) throw quotaExceeded({ ...limit, uploading, unit: 'bytes', more: 0 })
    }
  }

  /** As {@link require}, by what is noted now; from then on others count these bytes. */
  async take(sizeBytes: number): Promise<void> {
    if (this.#limits.some(({ projectId, ends }) => this.#received.endsIn(projectId) !== ends)) {
      const limits = await this.#read()
      const held = this.#heldBytes
      this.settle()
      this.#limits = limits
      this.#hold(held)
    }
    this.require(sizeBytes)
    this.#hold(sizeBytes - this.#storedBytes - this.#heldBytes)
  }

  /** Just before a transaction notes the bytes: they count by their note. */
  settle(): void {
    this.#hold(-this.#heldBytes)
  }

  [Symbol.dispose](): void {
    this.settle()
    for (const { projectId } of this.#limits) this.#received.add(projectId, { ends: 1 })
  }

  #uploadingBeside({ projectId, storedBytes }: ReadLimit): number {
    return Math.max(0, storedBytes - this.#storedBytes) + this.#received.bytesIn(projectId) - this.#heldBytes
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes
    for (const { projectId } of this.#limits) this.#received.add(projectId, { bytes })
  }
}
