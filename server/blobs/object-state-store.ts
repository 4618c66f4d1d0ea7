/** Keeps the state objects of uploads; remembers those that this process wrote last, for most uploads are committed by the request that wrote them. */
import type { Random } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { uploadKey } from './blob-store.ts'
import type { PutCondition } from './object-backend.ts'
import { isAbsent, isConflict } from './object-error.ts'
import { readWhole, type ObjectSource } from './object-read.ts'
import { decodeState, encodeState, type UploadState } from './object-state.ts'
import type { StoredUpload } from './object-writer.ts'

/** Below it are the states; no key begins so. */
export const statePrefix = 'uploads/'
const rememberedMax = 256
const rememberedBytesMax = 64 * 1024 ** 2
/** Far above what ten thousand parts and a tail below the least part take. */
const stateBytesMax = 64 * 1024 ** 2

/** The object of an upload's state. */
export function stateName(uploadId: string): string {
  return `${statePrefix}${uploadId}`
}

interface Writing {
  readonly uploadId: string
  readonly state: Omit<UploadState, 'writeId'>
  readonly tail: readonly Uint8Array[]
  /** Of the state that this one takes the place of; undefined at the beginning of an upload. */
  readonly etag: string | undefined
}

/** The states of one store. */
export class StateStore {
  readonly #source: ObjectSource
  readonly #random: Random
  /** Oldest first. */
  readonly #remembered = new Map<string, StoredUpload>()
  #rememberedBytes = 0

  constructor(source: ObjectSource, random: Random) {
    this.#source = source
    this.#random = random
  }

  /** Undefined when there is no such upload. `afresh`: as it is in the store, whatever is remembered. */
  async read(uploadId: string, signal: AbortSignal, { afresh = false } = {}): Promise<StoredUpload | undefined> {
    const remembered = afresh ? undefined : this.#remembered.get(uploadId)
    if (remembered !== undefined) return remembered
    this.forget(uploadId)
    const found = await this.#fetch(uploadId, signal)
    if (found !== undefined) this.remember(uploadId, found)
    return found
  }

  /** The bytes behind the parts, of the state with this etag. */
  async readTail(uploadId: string, etag: string, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    const found = await this.#fetch(uploadId, signal)
    if (found === undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
    if (found.etag !== etag) throw new RegistryError('BLOB_UPLOAD_BUSY')
    return found.tail
  }

  /** Throws `BLOB_UPLOAD_BUSY` when another node wrote the state since, `BLOB_UPLOAD_UNKNOWN` when the upload is gone. */
  async write({ uploadId, state, tail, etag }: Writing, signal: AbortSignal): Promise<StoredUpload> {
    const written = { ...state, writeId: this.#random.bytes(12).toString('hex') }
    const bytes = encodeState(written, tail)
    const put = async (condition: PutCondition) => ({
      state: written,
      tail,
      etag: await this.#source.backend.put(stateName(uploadId), bytes, { condition, signal }),
    })
    try {
      return await put(etag === undefined ? { isAbsent: true } : { etag })
    } catch (error) {
      if (isAbsent(error)) throw new RegistryError('BLOB_UPLOAD_UNKNOWN', undefined, { cause: error })
      if (!isConflict(error)) throw error
      const found = await this.#fetch(uploadId, signal)
      // The answer to the first attempt was lost.
      if (found?.state.writeId === written.writeId) return found
      if (found === undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN', undefined, { cause: error })
      if (etag !== undefined || found.etag === undefined) throw new RegistryError('BLOB_UPLOAD_BUSY', undefined, { cause: error })
      // The upload begins again: what it had is forgotten.
      const { multipartId } = found.state
      if (multipartId !== undefined) await this.#source.backend.abortMultipart({ name: uploadKey(uploadId), multipartId }, signal)
      return await put({ etag: found.etag })
    }
  }

  async remove(uploadId: string, signal: AbortSignal): Promise<void> {
    this.forget(uploadId)
    await this.#source.backend.remove([stateName(uploadId)], signal)
  }

  remember(uploadId: string, upload: StoredUpload): void {
    this.forget(uploadId)
    this.#remembered.set(uploadId, upload)
    this.#rememberedBytes += upload.state.tailBytes
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= rememberedMax && this.#rememberedBytes <= rememberedBytesMax) break
      this.forget(oldest)
    }
  }

  forget(uploadId: string): void {
    const found = this.#remembered.get(uploadId)
    if (found === undefined) return
    this.#remembered.delete(uploadId)
    this.#rememberedBytes -= found.state.tailBytes
  }

  async #fetch(uploadId: string, signal: AbortSignal): Promise<StoredUpload | undefined> {
    const found = await readWhole(this.#source, { name: stateName(uploadId), maximumBytes: stateBytesMax }, signal)
    if (found === undefined) return undefined
    if (found === 'too long') throw new RegistryError('UNAVAILABLE', undefined, { cause: new Error('the state of an upload is damaged') })
    const { bytes, etag } = found
    const { state, tailStart } = decodeState(bytes)
    return { state, tail: state.tailBytes === 0 ? [] : [bytes.subarray(tailStart)], etag }
  }
}
