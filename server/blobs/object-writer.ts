/**
 * Writes an upload to an object store: full parts are sent while the next one fills, and a sync puts what is left over, with the list of parts, into the
 * upload's state object. Only that object makes bytes durable: parts that it does not name are nobody's.
 *
 * All changes of one writer happen in line ({@link ObjectWriter.#inLine}): parts are numbered in the order in which bytes came, and the state is written by one
 * at a time. After any failure the writer is poisoned.
 */
import assert from 'node:assert'
import { RegistryError } from '#oci/errors.ts'
import type { BlobWriter } from './blob-store.ts'
import { ChunkQueue } from './chunk-queue.ts'
import { ObjectError, type ObjectBackend, type ObjectPart, type PartLimits } from './object-backend.ts'
import type { BufferBudget, BufferHolder } from './object-budget.ts'
import { registryErrorOf } from './object-error.ts'
import { stateBytes, type UploadState } from './object-state.ts'

const partsInFlight = 2
/** After so many parts since the last state, one is written without being asked for: a crash costs no more than these. */
const checkpointParts = 4
/** Of a part's size: later ones are larger, so that the largest object fits. */
const partsOfASize = 1_000
const largestPartBytes = 1024 ** 3

/** How large part `number` is to be. */
export function partBytes({ usualBytes, maximumBytes }: PartLimits, number: number): number {
  return Math.min(usualBytes * 2 ** Math.floor((number - 1) / partsOfASize), maximumBytes, Math.max(usualBytes, largestPartBytes))
}

/** An upload as it is in the store. */
export interface StoredUpload {
  readonly state: UploadState
  readonly tail: readonly Uint8Array[]
  /** Of the state object; undefined before it was written. */
  readonly etag: string | undefined
}

/** What the writer needs of the store that opened it. */
export interface WriterParts {
  readonly backend: ObjectBackend
  readonly budget: BufferBudget
  /** Of the object that the upload becomes. */
  readonly name: string
  /** Aborts when the store closes. */
  readonly signal: AbortSignal
  /** Writes the state object in place of the one with `etag`, or throws because somebody else did; gives what is there now. */
  writeState(state: Omit<UploadState, 'writeId'>, tail: readonly Uint8Array[], etag: string | undefined): Promise<StoredUpload>
  /** The tail of the state object with this etag. */
  readTail(etag: string): Promise<readonly Uint8Array[]>
  onClose(last: StoredUpload | undefined): void
}

/** The writer of one upload. */
export class ObjectWriter implements BlobWriter, BufferHolder {
  readonly #parts: WriterParts
  readonly #queue = new ChunkQueue()
  /** In their order; undefined while on its way. */
  readonly #stored: (ObjectPart | undefined)[]
  readonly #sending = new Set<Promise<void>>()
  #multipartId: string | undefined
  #isComplete: boolean
  #last: StoredUpload | undefined
  #offsetBytes: number
  /** What the state says; undefined until it was written by this writer, or is as it was found. */
  #durableBytes: number | undefined
  /** Bytes of the tail that are in the state object alone. */
  #spilledBytes = 0
  #sinceState = 0
  #line: Promise<unknown> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined
  #isSealed = false
  #closing: Promise<void> | undefined

  /** `found` is cut off already where it was to be, which `isCut` tells. */
  constructor(parts: WriterParts, found: StoredUpload | undefined, isCut: boolean) {
    this.#parts = parts
    this.#last = found
    this.#stored = [...(found?.state.parts ?? [])]
    this.#multipartId = found?.state.multipartId
    this.#isComplete = found?.state.isComplete ?? false
    this.#offsetBytes = found === undefined ? 0 : stateBytes(found.state)
    this.#durableBytes = found === undefined || isCut ? undefined : this.#offsetBytes
    for (const piece of found?.tail ?? []) this.#queue.push(piece)
    parts.budget.take(this.#queue.sizeBytes)
    parts.budget.join(this)
  }

  get offsetBytes(): number {
    return this.#offsetBytes
  }

  get heldBytes(): number {
    return this.#failure === undefined && this.#closing === undefined ? this.#queue.sizeBytes : 0
  }

  write(chunk: Uint8Array): Promise<void> {
    return handled(this.#append(chunk))
  }

  async sync(): Promise<void> {
    assert(this.#closing === undefined, 'sync of a closed upload')
    await handled(this.#inLine(() => this.#settle()))
  }

  /** Ends writing for good, at the commit; gives what is to be committed. */
  seal(): StoredUpload {
    assert(this.#durableBytes === this.#offsetBytes && this.#failure === undefined, 'an upload is committed before it is durable')
    assert(this.#last !== undefined)
    this.#isSealed = true
    return this.#last
  }

  /** Ends writing because the upload is forgotten: nothing of it is stored any more. Resolves when nothing is on its way. */
  async abandon(): Promise<void> {
    this.#fail(new RegistryError('BLOB_UPLOAD_UNKNOWN'))
    this.#last = undefined
    await this.#line
    await Promise.all(this.#sending)
  }

  async relieve(): Promise<void> {
    try {
      await this.#inLine(async () => {
        if (this.#closing === undefined && this.#queue.sizeBytes > 0) await this.#giveUpBuffer()
      })
    } catch {
      // Who writes is told.
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #append(chunk: Uint8Array): Promise<void> {
    this.#throwIfFailed()
    assert(!this.#isSealed && this.#closing === undefined, 'write to a closed upload')
    if (this.#isComplete) throw new RegistryError('BLOB_UPLOAD_INVALID', 'the upload was read back: it can be finished, and not go on')
    this.#offsetBytes += chunk.length
    this.#parts.budget.take(chunk.length)
    this.#queue.push(chunk)
    if (this.#isPartDue()) await this.#inLine(() => this.#sendDueParts())
    await this.#parts.budget.room()
    this.#throwIfFailed()
  }

  #isPartDue(): boolean {
    return this.#spilledBytes + this.#queue.sizeBytes >= this.#nextPartBytes()
  }

  #nextPartBytes(): number {
    return partBytes(this.#parts.backend.parts, this.#stored.length + 1)
  }

  async #sendDueParts(): Promise<void> {
    while (this.#failure === undefined && this.#isPartDue()) {
      await this.#fetchSpilled()
      await this.#sendPart(this.#nextPartBytes())
      if (this.#sinceState >= checkpointParts) await this.#checkpoint()
    }
    this.#throwIfFailed()
  }

  /** Resolves when the part is on its way, and there is room for another. */
  async #sendPart(sizeBytes: number): Promise<void> {
    const { backend, budget, name, signal } = this.#parts
    const number = this.#stored.length + 1
    if (number > backend.parts.maximumParts)
      throw new RegistryError('SIZE_INVALID', undefined, { message: 'the blob is too large for this store' })
    this.#multipartId ??= await backend.startMultipart(name, signal)
    const multipartId = this.#multipartId
    const pieces = takeExactly(this.#queue, sizeBytes)
    this.#stored.push(undefined)
    this.#sinceState++
    const send = async () => {
      try {
        const etag = await backend.putPart({ name, multipartId, number }, { pieces, sizeBytes }, signal)
        this.#stored[number - 1] = { number, etag, sizeBytes }
      } catch (error) {
        // The service has forgotten the parts before: nobody can go on.
        const isForgotten = error instanceof ObjectError && error.code === 'NoSuchUpload'
        this.#fail(isForgotten ? new RegistryError('BLOB_UPLOAD_UNKNOWN', undefined, { cause: error }) : error)
      } finally {
        budget.release(sizeBytes)
      }
    }
    const sending = send().finally(() => this.#sending.delete(sending))
    this.#sending.add(sending)
    if (this.#sending.size >= partsInFlight) await Promise.race(this.#sending)
  }

  /** Everything handed over is in parts or in the state object afterwards. */
  async #settle(): Promise<void> {
    this.#throwIfFailed()
    if (this.#durableBytes === this.#offsetBytes) return
    if (this.#spilledBytes + this.#queue.sizeBytes >= this.#parts.backend.parts.minimumBytes) {
      await this.#fetchSpilled()
      await this.#sendPart(this.#queue.sizeBytes)
    }
    await Promise.all(this.#sending)
    this.#throwIfFailed()
    await this.#fetchSpilled()
    const tail = takeExactly(this.#queue, this.#queue.sizeBytes)
    for (const piece of tail) this.#queue.push(piece)
    await this.#writeState(tail)
  }

  async #writeState(tail: readonly Uint8Array[]): Promise<void> {
    const parts = this.#stored.filter((part) => part !== undefined)
    const tailBytes = tail.reduce((sum, { length }) => sum + length, 0)
    const { multipartId } = this
    try {
      this.#last = await this.#parts.writeState({ multipartId, parts, tailBytes, isComplete: this.#isComplete }, tail, this.#last?.etag)
    } catch (error) {
      this.#fail(error)
    }
    this.#throwIfFailed()
    this.#sinceState = 0
    this.#durableBytes = stateBytes({ parts, tailBytes })
  }

  get multipartId(): string | undefined {
    return this.#multipartId
  }

  /** The parts alone: what is in memory counts at the next sync. */
  async #checkpoint(): Promise<void> {
    await Promise.all(this.#sending)
    this.#throwIfFailed()
    await this.#writeState([])
  }

  async #giveUpBuffer(): Promise<void> {
    this.#throwIfFailed()
    if (this.#spilledBytes + this.#queue.sizeBytes >= this.#parts.backend.parts.minimumBytes) {
      await this.#fetchSpilled()
      await this.#sendPart(this.#queue.sizeBytes)
      return
    }
    await this.#settle()
    this.#spilledBytes = this.#queue.sizeBytes
    this.#dropQueue()
  }

  async #fetchSpilled(): Promise<void> {
    if (this.#spilledBytes === 0) return
    const etag = this.#last?.etag
    assert(etag !== undefined)
    const spilled = await this.#parts.readTail(etag)
    const newer = takeExactly(this.#queue, this.#queue.sizeBytes)
    for (const piece of [...spilled, ...newer]) this.#queue.push(piece)
    this.#parts.budget.take(this.#spilledBytes)
    this.#spilledBytes = 0
  }

  async #close(): Promise<void> {
    try {
      if (!this.#isSealed) await this.#inLine(() => this.#settle())
    } catch {
      // Who wrote has been told, or did not ask.
    }
    await Promise.all(this.#sending)
    const last =
      this.#durableBytes === this.#offsetBytes && this.#spilledBytes === 0 && this.#failure === undefined ? this.#last : undefined
    this.#dropQueue()
    this.#parts.budget.leave(this)
    this.#parts.onClose(last)
  }

  /** One after the other, in the order of asking; a failure poisons the writer. */
  #inLine<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#line.then(async () => {
      try {
        return await work()
      } catch (error) {
        this.#fail(error)
        throw this.#failure?.error
      }
    })
    this.#line = run.catch(() => undefined)
    return run
  }

  #dropQueue(): void {
    this.#parts.budget.release(this.#queue.sizeBytes)
    this.#queue.clear()
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { error: registryErrorOf(error) }
    this.#dropQueue()
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

/** Removes so many bytes from the front of the queue, which has them. */
function takeExactly(queue: ChunkQueue, sizeBytes: number): Uint8Array[] {
  const taken: Uint8Array[] = []
  let missing = sizeBytes
  const all = queue.sizeBytes === 0 ? [] : queue.take(Infinity)
  for (const chunk of all) {
    if (missing >= chunk.length) taken.push(chunk)
    else {
      if (missing > 0) taken.push(chunk.subarray(0, missing))
      queue.push(chunk.subarray(missing))
    }
    missing = Math.max(0, missing - chunk.length)
  }
  return taken
}

/** The failure reaches whoever asks next, so a caller that did not wait must not bring the process down. */
function handled(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined)
  return promise
}
