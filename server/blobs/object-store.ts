/**
 * A blob store on any object store: uploads that go on over requests and nodes, on top of an {@link ObjectBackend}.
 *
 * The problem: an object is written whole or in parts and never appended to, and the digest that names a blob is known only at the end. The way: an upload's
 * bytes go, part by part, to the key that will be theirs for good (`uploadKey`), and nothing is copied at the commit; what is between two requests (the
 * list of parts, and bytes too few for one) is a small object, `uploads/<id>`, which is written under the condition that nobody else wrote it since. As long
 * as that object is there the upload is open, and what may lie at its key is nobody's; a commit ends with removing it. Listings serve janitors and scrub alone.
 */
import assert from 'node:assert'
import type { Random, Clock, Timers } from '#lib/ports.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import {
  uploadKey,
  type BlobKey,
  type BlobStore,
  type BlobWriter,
  type KeyListing,
  type KeyPage,
  type OpenBlob,
  type OpenOptions,
} from './blob-store.ts'
import { checkDirectory, checkKey, checkUploadId, isKey, isUploadId } from './names.ts'
import { ObjectError, type ListedObject, type ObjectBackend } from './object-backend.ts'
import type { StoreMark } from './store-mark.ts'
import { BufferBudget } from './object-budget.ts'
import { finishUpload } from './object-commit.ts'
import { isAbsent, registryErrorOf, translated } from './object-error.ts'
import { readObject, readWhole, type ObjectSource } from './object-read.ts'
import { retrying, RetryPolicy, type ObjectObserver } from './object-retry.ts'
import { stateBytes } from './object-state.ts'
import { StateStore, stateName, statePrefix } from './object-state-store.ts'
import { ObjectWriter, type StoredUpload } from './object-writer.ts'

/** Where clients may fetch blobs themselves. */
export interface ObjectRedirects {
  readonly lifetimeMs: number
  /** In place of the service's own signed URLs: those of a CDN before it. */
  readonly sign?: ((name: string, lifetimeMs: number) => Promise<string>) | undefined
}

export interface ObjectStoreOptions {
  readonly backend: ObjectBackend
  readonly ports: { readonly clock: Clock; readonly random: Random; readonly timers: Timers }
  /** Of all uploads together. */
  readonly bufferBytes?: number | undefined
  /** Undefined: the registry sends everything itself. */
  readonly redirects?: ObjectRedirects | undefined
  readonly observe?: ObjectObserver | undefined
  /** Asked before something is written or called absent. */
  readonly mark?: Pick<StoreMark, 'require' | 'isSettling'> | undefined
}

const defaultBufferBytes = 256 * 1024 ** 2
/** Blobs up to this size are fetched by the one request that looks whether they are there. */
const wholeBytesMax = 1024 ** 2
const namesPerRemoval = 1_000

/** A store that keeps its blobs in an object store. Asks nothing of it yet. */
export function createObjectStore(options: ObjectStoreOptions): BlobStore {
  return new ObjectStore(options)
}

class ObjectStore implements BlobStore {
  readonly name: string
  readonly #backend: ObjectBackend
  readonly #policy: RetryPolicy
  readonly #options: ObjectStoreOptions
  readonly #budget: BufferBudget
  readonly #source: ObjectSource
  readonly #states: StateStore
  readonly #writers = new Map<string, ObjectWriter | 'opening'>()
  readonly #closed = new AbortController()

  constructor(options: ObjectStoreOptions) {
    this.#options = options
    this.name = options.backend.name
    this.#policy = new RetryPolicy({ ...options.ports, observe: options.observe })
    this.#backend = retrying(options.backend, this.#policy)
    this.#budget = new BufferBudget(options.bufferBytes ?? defaultBufferBytes)
    this.#source = { backend: this.#backend, timers: options.ports.timers }
    this.#states = new StateStore(this.#source, options.ports.random)
  }

  keyFor(uploadId: string, _digest: Digest, _random: Random): BlobKey {
    return uploadKey(uploadId)
  }

  openUpload(uploadId: string, offsetBytes: number): Promise<BlobWriter> {
    return translated(async () => {
      checkUploadId(uploadId)
      assert(Number.isSafeInteger(offsetBytes) && offsetBytes >= 0, 'malformed upload offset')
      assert(!this.#writers.has(uploadId), 'an upload is opened twice')
      this.#writers.set(uploadId, 'opening')
      try {
        await this.requireThere()
        // At its beginning an upload takes the place of whatever has its name: one request less for each push.
        const found = offsetBytes === 0 ? undefined : await this.#states.read(uploadId, this.#signal)
        if (offsetBytes > 0 && found === undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
        const cut = found && cutAt(found, offsetBytes)
        const writer = this.#createWriter(uploadId, cut, cut !== found)
        this.#writers.set(uploadId, writer)
        return writer
      } catch (error) {
        this.#writers.delete(uploadId)
        throw error
      }
    })
  }

  statUpload(uploadId: string): Promise<{ readonly sizeBytes: number } | undefined> {
    return translated(async () => {
      checkUploadId(uploadId)
      const found = await this.#states.read(uploadId, this.#signal, { afresh: true })
      if (found === undefined) await this.requireThere()
      return found && { sizeBytes: stateBytes(found.state) }
    })
  }

  async *readUpload(uploadId: string, signal: AbortSignal = this.#signal): AsyncGenerator<Uint8Array> {
    try {
      checkUploadId(uploadId)
      signal.throwIfAborted()
      const found = await this.#states.read(uploadId, signal)
      if (found === undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
      const { state } = found
      if (state.parts.length === 0) {
        for (const piece of found.tail) {
          signal.throwIfAborted()
          yield piece
        }
        return
      }
      // Parts cannot be read: they become an object, at the key that it will have, and the upload cannot grow any more.
      const etag = state.isComplete ? undefined : await this.#complete(uploadId, found, signal)
      yield* await readObject(this.#source, { name: uploadKey(uploadId), etag, start: 0, end: stateBytes(state) - 1 }, signal)
    } catch (error) {
      throw isAbsent(error) ? new RegistryError('BLOB_UPLOAD_UNKNOWN', undefined, { cause: error }) : registryErrorOf(error)
    }
  }

  commitUpload(uploadId: string, key: BlobKey): Promise<void> {
    return translated(async () => {
      checkUploadId(uploadId)
      checkKey(key)
      assert(key === uploadKey(uploadId), 'a blob key is used twice')
      const writer = this.#writers.get(uploadId)
      assert(writer !== 'opening', 'an upload is committed while it is being opened')
      await this.requireThere()
      const found = writer?.seal() ?? (await this.#states.read(uploadId, this.#signal))
      if (found === undefined) {
        // A commit of this upload got to its end before somebody heard of it: only then is there an object without a state.
        if ((await this.#backend.head(key, this.#signal)) === undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
        return
      }
      await finishUpload(this.#backend, { name: key, upload: found }, this.#signal)
      await this.#states.remove(uploadId, this.#signal)
    })
  }

  abortUpload(uploadId: string): Promise<void> {
    return translated(async () => {
      checkUploadId(uploadId)
      await this.requireThere()
      const writer = this.#writers.get(uploadId)
      if (writer instanceof ObjectWriter) await writer.abandon()
      const name = uploadKey(uploadId)
      const found = await this.#states.read(uploadId, this.#signal, { afresh: true })
      const multipartId = writer instanceof ObjectWriter ? writer.multipartId : found?.state.multipartId
      if (multipartId !== undefined) await this.#backend.abortMultipart({ name, multipartId }, this.#signal)
      // Without a state it is a blob, or parts that a crash left: those alone are anybody's to remove.
      if (found === undefined) return this.#abortMultiparts(name)
      await this.#backend.remove([name], this.#signal)
      await this.#states.remove(uploadId, this.#signal)
    })
  }

  async *listUploads(): AsyncGenerator<{ readonly uploadId: string; readonly modifiedAt: number }> {
    try {
      for await (const { name, modifiedAt } of this.#listStates()) yield { uploadId: name.slice(statePrefix.length), modifiedAt }
      for await (const { name, startedAt } of this.#backend.listMultiparts('blobs/u/', this.#signal)) {
        const uploadId = name.slice(name.lastIndexOf('/') + 1)
        if (!isUploadId(uploadId) || name !== uploadKey(uploadId)) continue
        if ((await this.#backend.head(stateName(uploadId), this.#signal)) === undefined) yield { uploadId, modifiedAt: startedAt }
      }
    } catch (error) {
      throw registryErrorOf(error)
    }
  }

  open(key: BlobKey, { direct = false, expectedBytes = Infinity }: OpenOptions = {}): Promise<OpenBlob | undefined> {
    return translated(async () => {
      checkKey(key)
      const url = direct ? undefined : await this.#redirect(key)
      if (url !== undefined) return { kind: 'redirect', url }
      if (expectedBytes <= wholeBytesMax) return await this.#openWhole(key)
      const facts = await this.#backend.head(key, this.#signal)
      if (facts === undefined) return await this.#absent()
      const { sizeBytes, etag } = facts
      const read = (start: number, end: number, signal: AbortSignal) =>
        translated(() => readObject(this.#source, { name: key, etag, start, end }, signal))
      return { kind: 'stream', sizeBytes, read }
    })
  }

  stat(key: BlobKey): Promise<{ readonly sizeBytes: number } | undefined> {
    return translated(async () => {
      checkKey(key)
      const facts = await this.#backend.head(key, this.#signal)
      return facts === undefined ? await this.#absent() : { sizeBytes: facts.sizeBytes }
    })
  }

  delete(keys: readonly BlobKey[]): Promise<void> {
    return translated(async () => {
      keys.forEach(checkKey)
      await this.requireThere()
      for (let start = 0; start < keys.length; start += namesPerRemoval)
        await this.#backend.remove(keys.slice(start, start + namesPerRemoval), this.#signal)
    })
  }

  list({ after, below, limit }: KeyListing): Promise<KeyPage> {
    return translated(async () => {
      if (below !== undefined) checkDirectory(below)
      const prefix = below === undefined ? '' : `${below}/`
      const { objects, next } = await this.#backend.list({ prefix, after, limit: Math.min(limit, 1_000) }, this.#signal)
      const keys = objects.flatMap(({ name, ...facts }) => (isKey(name) ? [{ key: name, ...facts }] : []))
      return { keys: keys.map(({ key, sizeBytes, modifiedAt }) => ({ key, sizeBytes, modifiedAt })), next }
    })
  }

  async requireThere(): Promise<void> {
    await this.#options.mark?.require()
  }

  lastFailure(): Error | undefined {
    return this.#policy.lastFailure
  }

  async space(): Promise<undefined> {
    return undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const writers = [...this.#writers.values()].filter((writer) => writer !== 'opening')
    await Promise.all(writers.map((writer) => writer[Symbol.asyncDispose]()))
    const message = 'the blob store is closed'
    this.#closed.abort(new RegistryError('UNAVAILABLE', undefined, { message, cause: new ObjectError('passing', message) }))
    await this.#backend[Symbol.asyncDispose]()
  }

  /** Of a store that is not known to be the one of the rows, nothing is called absent. */
  async #absent(): Promise<undefined> {
    if (this.#options.mark?.isSettling !== true) await this.requireThere()
    return undefined
  }

  get #signal(): AbortSignal {
    return this.#closed.signal
  }

  #createWriter(uploadId: string, found: StoredUpload | undefined, isCut: boolean): ObjectWriter {
    const signal = this.#signal
    const parts = {
      backend: this.#backend,
      budget: this.#budget,
      name: uploadKey(uploadId),
      signal,
      writeState: (...[state, tail, etag]: Parameters<ConstructorParameters<typeof ObjectWriter>[0]['writeState']>) =>
        this.#states.write({ uploadId, state, tail, etag }, signal),
      readTail: (etag: string) => this.#states.readTail(uploadId, etag, signal),
      onClose: (last: StoredUpload | undefined) => {
        this.#writers.delete(uploadId)
        if (last !== undefined) this.#states.remember(uploadId, last)
      },
    }
    this.#states.forget(uploadId)
    return new ObjectWriter(parts, found, isCut)
  }

  /** Gives the etag of the object. */
  async #complete(uploadId: string, upload: StoredUpload, signal: AbortSignal): Promise<string> {
    const { etag, parts } = await finishUpload(this.#backend, { name: uploadKey(uploadId), upload }, signal)
    const { multipartId } = upload.state
    const state = { multipartId, parts, tailBytes: 0, isComplete: true }
    this.#states.remember(uploadId, await this.#states.write({ uploadId, state, tail: [], etag: upload.etag }, signal))
    return etag
  }

  async *#listStates(): AsyncGenerator<ListedObject> {
    let after: string | undefined
    do {
      const page = await this.#backend.list({ prefix: statePrefix, after, limit: 1_000 }, this.#signal)
      yield* page.objects.filter(({ name }) => isUploadId(name.slice(statePrefix.length)))
      after = page.next
    } while (after !== undefined)
  }

  async #abortMultiparts(name: string): Promise<void> {
    for await (const upload of this.#backend.listMultiparts(name, this.#signal))
      if (upload.name === name) await this.#backend.abortMultipart(upload, this.#signal)
  }

  async #redirect(key: BlobKey): Promise<string | undefined> {
    const { redirects } = this.#options
    if (redirects === undefined) return undefined
    return redirects.sign === undefined ? this.#backend.presign(key, redirects.lifetimeMs) : redirects.sign(key, redirects.lifetimeMs)
  }

  async #openWhole(key: BlobKey): Promise<OpenBlob | undefined> {
    const found = await readWhole(this.#source, { name: key, maximumBytes: wholeBytesMax }, this.#signal)
    if (found === undefined) return await this.#absent()
    if (found !== 'too long') return { kind: 'bytes', bytes: found.bytes }
    // Longer than its row says: for the caller to find.
    return this.open(key, { direct: true })
  }
}

/** The upload as it is when what lies beyond the offset is cut off; the same where nothing does. */
function cutAt(found: StoredUpload, offsetBytes: number): StoredUpload {
  const { state } = found
  const sizeBytes = stateBytes(state)
  if (sizeBytes < offsetBytes) throw new RegistryError('BLOB_UPLOAD_INVALID', 'bytes of the upload are missing')
  if (sizeBytes === offsetBytes) return found
  const parts = []
  let start = 0
  for (const part of state.parts) {
    if (start + part.sizeBytes > offsetBytes) break
    parts.push(part)
    start += part.sizeBytes
  }
  const isInTail = parts.length === state.parts.length
  // A part is all or nothing: the upload goes on where its parts end, as its next status tells.
  if (state.isComplete || (!isInTail && start !== offsetBytes))
    throw new RegistryError('BLOB_UPLOAD_INVALID', 'the upload cannot go back to this offset')
  const tailBytes = offsetBytes - start
  const tail = tailBytes === 0 ? [] : [Buffer.concat(found.tail).subarray(0, tailBytes)]
  return { ...found, state: { ...state, parts, tailBytes }, tail }
}
