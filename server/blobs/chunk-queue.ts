/**
 * Bytes on their way to a file, in order. Small chunks are copied together, so that a body sent in frames of a few bytes occupies little more than
 * its bytes and is written in large pieces; larger ones are kept as they are.
 */
const smallBytes = 16 * 1024
const slabBytes = 64 * 1024

/** A queue of chunks that are taken out in pieces fit for one `writev`. */
export class ChunkQueue {
  #chunks: Uint8Array[] = []
  #sizeBytes = 0
  /** Where small chunks are gathered; the last chunk of the queue may be its filled part. */
  #slab: Buffer | undefined
  #slabStart = 0
  #slabEnd = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Appends. The queue keeps the chunk itself unless it is small. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#sizeBytes += chunk.length
    if (chunk.length < smallBytes) this.#gather(chunk)
    else {
      this.#chunks.push(chunk)
      // What was gathered before it is no longer the last chunk.
      this.#slabStart = this.#slabEnd
    }
  }

  /** Removes and returns the chunks at the front: as many as fit into `maximumBytes`, at least one. */
  take(maximumBytes: number): Uint8Array[] {
    let count = 0
    let bytes = 0
    for (const chunk of this.#chunks) {
      if (count > 0 && bytes + chunk.length > maximumBytes) break
      count++
      bytes += chunk.length
    }
    this.#sizeBytes -= bytes
    if (count === this.#chunks.length) this.#slabStart = this.#slabEnd
    return this.#chunks.splice(0, count)
  }

  clear(): void {
    this.#chunks = []
    this.#sizeBytes = 0
    this.#slab = undefined
  }

  #gather(chunk: Uint8Array): void {
    if (this.#slab === undefined || this.#slabEnd + chunk.length > slabBytes) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes)
      this.#slabStart = 0
      this.#slabEnd = 0
    }
    const extendsLast = this.#slabEnd > this.#slabStart
    this.#slab.set(chunk, this.#slabEnd)
    this.#slabEnd += chunk.length
    const gathered = this.#slab.subarray(this.#slabStart, this.#slabEnd)
    if (extendsLast) this.#chunks[this.#chunks.length - 1] = gathered
    else this.#chunks.push(gathered)
  }
}
