/** One blob on its way from a store into the cache, read by any number of readers as far as it is there. */
import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { createDigestHash, digestAlgorithm, digestOfHash, type Digest } from '#oci/digest.ts'
import { DamagedBlobError } from '#oci/damaged-blob.ts'
import type { CacheFiles, NewFile } from './read-through-files.ts'

/** Bytes `start` to `end` inclusive, from the store itself. */
export type ReadStore = (start: number, end: number, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>

/** What is filled. */
export interface FillOptions {
  readonly digest: Digest
  readonly sizeBytes: number
  /** There is room for the blob in them. */
  readonly files: CacheFiles
  readonly read: ReadStore
  readonly signal: AbortSignal
}

const pieceBytes = 256 * 1024

/** Why a fill ended early. `'local'`: this machine's disk; the store may have all of it. */
type Failure = { readonly kind: 'local' | 'store' | 'damaged'; readonly error: unknown }

/**
 * A fill under way. Readers follow it through its file; the last byte is given only when all of them were proved, so that no reader gets a whole body that is
 * not the blob. Where the file fails them they go on from the store.
 */
export class Fill {
  /** Settles when the blob is in the cache, or will not be. */
  readonly ended: Promise<Failure | undefined>
  readonly #options: FillOptions
  #file: NewFile | undefined
  #filledBytes = 0
  #readers = 0
  #outcome: 'filling' | 'kept' | Failure = 'filling'
  #wake: PromiseWithResolvers<void> = Promise.withResolvers()

  constructor(options: FillOptions) {
    this.#options = options
    this.ended = this.#run()
  }

  /** The range as a stream. Throws {@link DamagedBlobError} before the last byte of a blob that is another. */
  read(start: number, end: number, signal: AbortSignal): Readable {
    return Readable.from(this.#follow(start, end, signal), { objectMode: false, signal, highWaterMark: pieceBytes })
  }

  async *#follow(start: number, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.#readers++
    let late: FileHandle | undefined
    try {
      let position = start
      while (position <= end) {
        const reached = await this.#reach(position, signal)
        if (reached === 'closed') late ??= await this.#options.files.open(this.#options.digest, this.#options.sizeBytes)
        const handle = reached === 'closed' ? late : reached
        const piece = handle && (await this.#readPiece(handle, position, end))
        if (piece === undefined) return yield* await this.#options.read(position, end, signal)
        position += piece.length
        yield piece
      }
    } finally {
      this.#readers--
      await late?.close().catch(() => undefined)
      await this.#closeIfDone()
    }
  }

  /** Bytes of the file from the position on; undefined where it gives none. */
  async #readPiece(handle: FileHandle, position: number, end: number): Promise<Uint8Array | undefined> {
    const length = Math.min(pieceBytes, end + 1 - position, this.#givenBytes - position)
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, position)
      return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead)
    } catch {
      return undefined
    }
  }

  /** How many bytes readers may have. */
  get #givenBytes(): number {
    return this.#outcome === 'kept' ? this.#options.sizeBytes : Math.min(this.#filledBytes, this.#options.sizeBytes - 1)
  }

  /** Waits until there is a byte at the position; `'closed'`: all of it was kept while nobody read; undefined: the rest is to come from the store. */
  async #reach(position: number, signal: AbortSignal): Promise<FileHandle | 'closed' | undefined> {
    for (;;) {
      signal.throwIfAborted()
      if (typeof this.#outcome === 'object') {
        if (this.#outcome.kind === 'damaged') throw this.#outcome.error
        return undefined
      }
      if (this.#outcome === 'kept') return this.#file?.handle ?? 'closed'
      if (position < this.#givenBytes) return this.#file?.handle
      await untilAborted(this.#wake.promise, signal)
    }
  }

  async #run(): Promise<Failure | undefined> {
    const { files, digest, sizeBytes } = this.#options
    let failure: Failure | undefined
    try {
      this.#file = await files.create(digest)
      failure = await this.#fill(this.#file)
      if (failure === undefined) await files.publish(this.#file, digest, sizeBytes)
    } catch (error) {
      failure = { kind: 'local', error }
    }
    if (failure !== undefined) {
      if (this.#file !== undefined) await files.discard(this.#file)
      files.giveBack(sizeBytes)
    }
    this.#outcome = failure ?? 'kept'
    this.#notify()
    await this.#closeIfDone()
    return failure
  }

  async #fill({ handle }: NewFile): Promise<Failure | undefined> {
    const { digest, sizeBytes, signal } = this.#options
    const algorithm = digestAlgorithm(digest)
    const hash = createDigestHash(algorithm)
    const source = this.#pieces()
    for (;;) {
      const next = await source.next().catch((error: unknown) => ({ error }))
      if ('error' in next) return { kind: 'store', error: next.error }
      if (next.done === true) break
      signal.throwIfAborted()
      const { value } = next
      if (this.#filledBytes + value.length > sizeBytes) break
      hash.update(value)
      await handle.writeFile(value)
      this.#filledBytes += value.length
      this.#notify()
    }
    const isWhole = this.#filledBytes === sizeBytes && digestOfHash(algorithm, hash) === digest
    return isWhole ? undefined : { kind: 'damaged', error: new DamagedBlobError(digest) }
  }

  async *#pieces(): AsyncGenerator<Uint8Array, undefined> {
    yield* await this.#options.read(0, this.#options.sizeBytes - 1, this.#options.signal)
  }

  #notify(): void {
    const { resolve } = this.#wake
    this.#wake = Promise.withResolvers()
    resolve()
  }

  async #closeIfDone(): Promise<void> {
    if (this.#readers > 0 || this.#outcome === 'filling') return
    const file = this.#file
    this.#file = undefined
    await file?.handle.close().catch(() => undefined)
  }
}

/** Rejects with the signal's reason when it aborts first. */
async function untilAborted(wait: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = () => reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  wait.then(resolve, reject)
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
