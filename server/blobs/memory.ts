/**
 * Blobs in the memory of the process, for registry:2's `inmemory` driver and for tests. Nothing outlives the process; what must hold of the other
 * stores holds here as far as it can, the full disk included: bytes beyond the limit are refused with `STORAGE_FULL`.
 */
import assert from 'node:assert'
import { Readable } from 'node:stream'
import type { Clock, Random } from '#lib/ports.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { newBlobKey, type BlobKey, type BlobStore, type BlobWriter, type KeyListing, type KeyPage, type OpenBlob } from './blob-store.ts'
import { ChunkQueue } from './chunk-queue.ts'
import { checkDirectory, checkKey, checkUploadId } from './names.ts'

/** Settings of a store in memory; `clock` gives uploads the time of their last change. */
export interface MemoryStoreOptions {
  readonly clock: Clock
  /** Bytes of all blobs and uploads together; without it the memory of the process is the limit. */
  readonly limitBytes?: number
}

/** Larger blobs are handed out as a stream of their chunks, for putting these together would hold the event loop. */
const wholeBytesMax = 1024 * 1024

interface Bytes {
  readonly chunks: Uint8Array[]
  sizeBytes: number
}

interface Upload extends Bytes {
  modifiedAt: number
  isOpen: boolean
  /** Its writer has bytes that were not synced. */
  isDirty: boolean
  isGone: boolean
}

interface Blob extends Bytes {
  readonly committedAt: number
}

/** A store that forgets. */
export function createMemoryStore(options: MemoryStoreOptions): BlobStore {
  return new MemoryStore(options)
}

class MemoryStore implements BlobStore {
  readonly name = 'memory'
  readonly #clock: Clock
  readonly #limitBytes: number
  readonly #uploads = new Map<string, Upload>()
  readonly #blobs = new Map<BlobKey, Blob>()
  #usedBytes = 0

  constructor({ clock, limitBytes }: MemoryStoreOptions) {
    this.#clock = clock
    this.#limitBytes = limitBytes ?? Infinity
  }

  keyFor(_uploadId: string, digest: Digest, random: Random): BlobKey {
    return newBlobKey(digest, random)
  }

  async openUpload(uploadId: string, offsetBytes: number): Promise<BlobWriter> {
    checkUploadId(uploadId)
    assert(Number.isSafeInteger(offsetBytes) && offsetBytes >= 0, 'malformed upload offset')
    const existing = this.#uploads.get(uploadId)
    if (existing === undefined && offsetBytes > 0) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
    const upload = existing ?? { chunks: [], sizeBytes: 0, modifiedAt: this.#clock.now(), isOpen: false, isDirty: false, isGone: false }
    assert(!upload.isOpen, 'an upload is opened twice')
    if (upload.sizeBytes < offsetBytes) throw new RegistryError('BLOB_UPLOAD_INVALID', 'bytes of the upload are missing')
    this.#truncate(upload, offsetBytes)
    upload.isOpen = true
    this.#uploads.set(uploadId, upload)
    return new MemoryWriter(upload, (chunks) => this.#append(upload, chunks))
  }

  async statUpload(uploadId: string): Promise<{ readonly sizeBytes: number } | undefined> {
    checkUploadId(uploadId)
    const upload = this.#uploads.get(uploadId)
    return upload && { sizeBytes: upload.sizeBytes }
  }

  async *readUpload(uploadId: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    checkUploadId(uploadId)
    const upload = this.#uploads.get(uploadId)
    if (upload === undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
    for (const chunk of upload.chunks) {
      signal?.throwIfAborted()
      yield chunk
    }
  }

  async commitUpload(uploadId: string, key: BlobKey): Promise<void> {
    checkUploadId(uploadId)
    checkKey(key)
    const upload = this.#uploads.get(uploadId)
    const isThere = this.#blobs.has(key)
    if (upload === undefined && !isThere) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
    if (upload === undefined) return
    assert(!(upload.isOpen && upload.isDirty), 'an upload is committed before it is durable')
    assert(!isThere, 'a blob key is used twice')
    upload.isGone = true
    this.#uploads.delete(uploadId)
    this.#blobs.set(key, { chunks: upload.chunks, sizeBytes: upload.sizeBytes, committedAt: this.#clock.now() })
  }

  async abortUpload(uploadId: string): Promise<void> {
    checkUploadId(uploadId)
    const upload = this.#uploads.get(uploadId)
    if (upload === undefined) return
    upload.isGone = true
    this.#usedBytes -= upload.sizeBytes
    this.#uploads.delete(uploadId)
  }

  async *listUploads(): AsyncGenerator<{ readonly uploadId: string; readonly modifiedAt: number }> {
    for (const [uploadId, { modifiedAt }] of this.#uploads) yield { uploadId, modifiedAt }
  }

  async open(key: BlobKey): Promise<OpenBlob | undefined> {
    checkKey(key)
    const blob = this.#blobs.get(key)
    if (blob === undefined) return undefined
    const { chunks, sizeBytes } = blob
    if (sizeBytes <= wholeBytesMax) {
      if (chunks.length !== 1) chunks.splice(0, Infinity, Buffer.concat(chunks))
      return { kind: 'bytes', bytes: chunks[0] ?? new Uint8Array() }
    }
    return {
      kind: 'stream',
      sizeBytes,
      read: async (start, end, signal) => Readable.from(slices(chunks, start, end), { objectMode: false, signal }),
    }
  }

  async stat(key: BlobKey): Promise<{ readonly sizeBytes: number } | undefined> {
    checkKey(key)
    const blob = this.#blobs.get(key)
    return blob && { sizeBytes: blob.sizeBytes }
  }

  async delete(keys: readonly BlobKey[]): Promise<void> {
    keys.forEach(checkKey)
    for (const key of keys) {
      this.#usedBytes -= this.#blobs.get(key)?.sizeBytes ?? 0
      this.#blobs.delete(key)
    }
  }

  async list({ after = '', below, limit }: KeyListing): Promise<KeyPage> {
    if (below !== undefined) checkDirectory(below)
    const start = below === undefined ? '' : `${below}/`
    const found = [...this.#blobs.keys()].filter((key) => key > after && key.startsWith(start)).toSorted()
    const keys = found.slice(0, limit).map((key) => this.#listed(key))
    return { keys, next: found.length > limit ? keys.at(-1)?.key : undefined }
  }

  async requireThere(): Promise<void> {}

  async space(): Promise<{ readonly freeBytes: number; readonly totalBytes: number } | undefined> {
    return this.#limitBytes === Infinity ? undefined : { freeBytes: this.#limitBytes - this.#usedBytes, totalBytes: this.#limitBytes }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#uploads.clear()
    this.#blobs.clear()
    this.#usedBytes = 0
  }

  #listed(key: BlobKey) {
    const blob = this.#blobs.get(key)
    return { key, sizeBytes: blob?.sizeBytes ?? 0, modifiedAt: blob?.committedAt ?? 0 }
  }

  #append(upload: Upload, chunks: readonly Uint8Array[]): void {
    if (upload.isGone) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
    for (const chunk of chunks) {
      if (this.#usedBytes + chunk.length > this.#limitBytes) throw new RegistryError('STORAGE_FULL')
      upload.chunks.push(chunk)
      upload.sizeBytes += chunk.length
      this.#usedBytes += chunk.length
    }
    upload.modifiedAt = this.#clock.now()
  }

  #truncate(upload: Upload, sizeBytes: number): void {
    while (upload.sizeBytes > sizeBytes) {
      const last = upload.chunks.pop()
      assert(last !== undefined, 'an upload has as many bytes as its chunks')
      const kept = last.subarray(0, Math.max(0, last.length - (upload.sizeBytes - sizeBytes)))
      upload.sizeBytes -= last.length - kept.length
      this.#usedBytes -= last.length - kept.length
      if (kept.length > 0) upload.chunks.push(kept)
    }
  }
}

/** Small chunks gather in a queue until there is a piece of them, as in the filesystem store: a body of tiny frames must not cost much more than its bytes. */
const pieceBytes = 64 * 1024

class MemoryWriter implements BlobWriter {
  readonly #upload: Upload
  readonly #append: (chunks: readonly Uint8Array[]) => void
  readonly #queue = new ChunkQueue()
  #offsetBytes: number
  #failure: { readonly error: unknown } | undefined
  #isClosed = false

  constructor(upload: Upload, append: (chunks: readonly Uint8Array[]) => void) {
    this.#upload = upload
    this.#append = append
    this.#offsetBytes = upload.sizeBytes
  }

  get offsetBytes(): number {
    return this.#offsetBytes
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error
    assert(!this.#isClosed, 'write to a closed upload')
    this.#offsetBytes += chunk.length
    this.#upload.isDirty = true
    this.#queue.push(chunk)
    if (this.#queue.sizeBytes >= pieceBytes) this.#flush()
  }

  async sync(): Promise<void> {
    assert(!this.#isClosed, 'sync of a closed upload')
    this.#flush()
    this.#upload.isDirty = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#upload.isOpen = false
    try {
      this.#flush()
    } catch {
      // Who wrote has been told, or did not ask.
    }
  }

  #flush(): void {
    if (this.#failure !== undefined) throw this.#failure.error
    try {
      this.#append(this.#queue.take(Infinity))
    } catch (error) {
      this.#queue.clear()
      this.#failure = { error }
      throw error
    }
  }
}

function* slices(chunks: readonly Uint8Array[], start: number, end: number): Generator<Uint8Array> {
  let position = 0
  for (const chunk of chunks) {
    const from = Math.max(0, start - position)
    const to = Math.min(chunk.length, end + 1 - position)
    position += chunk.length
    if (from < to) yield chunk.subarray(from, to)
    if (position > end) return
  }
}
