/**
 * Takes the body of a request into an upload: hashed while it passes, written in order, synced at the end. However the body ends, what came is
 * durable and counted before anybody is told: a cut body costs the client nothing but the rest of it.
 */
import type { Hash } from 'node:crypto'
import type { BlobWriter } from '#blobs/blob-store.ts'
import { isOfObjectStore } from '#blobs/object-error.ts'
import { isStoreLost } from '#blobs/store-mark.ts'
import { storeOf } from '#blobs/stores.ts'
import { digestOfHash } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { quotaFactsOf } from '#oci/quota-exceeded.ts'
import type { ByteRange } from '#oci/range.ts'
import type { Registry } from './registry.ts'
import { requireReserve } from './require.ts'
import type { UploadRoom } from './upload-room.ts'
import { discardUpload, moveOffset, type OpenUpload, type SharedClaim } from './upload-session.ts'

/** A body and what its request said of it. */
export interface UploadBody {
  readonly body: AsyncIterable<Uint8Array>
  readonly range?: ByteRange | undefined
  readonly contentLength?: number | undefined
  readonly signal: AbortSignal
  /** Of the upload: it is told what came, and tells when somebody ends the upload. */
  readonly shared?: SharedClaim | undefined
  /** The upload ends when it grows beyond. */
  readonly room?: UploadRoom | undefined
}

/** What an upload is after a body: all of it durable. */
export interface Received {
  readonly offsetBytes: number
  /** Undefined when the bytes so far were not hashed here. */
  readonly hash: Hash | undefined
}

/** Why a body ended too early or too late. */
export interface Cut {
  error?: RegistryError
}

/** Throws `RANGE_INVALID` with the offset that the client should go on from, or `SIZE_INVALID` when its headers contradict each other. */
export function checkRange(
  registry: Registry,
  { session, hash }: OpenUpload,
  { range, contentLength }: Pick<UploadBody, 'range' | 'contentLength'>,
): void {
  const { uploadId, offsetBytes } = session
  if (range === undefined) return
  const contradicts = contentLength !== undefined && range.end - range.start + 1 !== contentLength
  if (range.start === offsetBytes && !contradicts) return
  // Nothing was taken: the next request goes on with the same hash.
  if (hash !== undefined) registry.memory.uploads.keep(uploadId, hash, offsetBytes)
  if (range.start !== offsetBytes) throw new RegistryError('RANGE_INVALID', { offsetBytes })
  throw new RegistryError('SIZE_INVALID', undefined, { message: 'Content-Range and Content-Length differ' })
}

/** Appends the body, whose range was checked. Throws after the row has been brought up to date with what came. */
export async function receiveBody(registry: Registry, upload: OpenUpload, input: UploadBody): Promise<Received> {
  const cut: Cut = {}
  const received = await append(registry, upload, { ...input, cut })
  if (cut.error === undefined) return received
  await saveProgress(registry, upload, { ...received, room: input.room, shared: input.shared })
  throw cut.error
}

/** Writes the new offset to the row and keeps the running hash for the next request. Throws DENIED, and ends the upload, when others took its room. */
export async function saveProgress(
  registry: Registry,
  upload: OpenUpload,
  { offsetBytes, hash, room, shared }: Received & Pick<UploadBody, 'room' | 'shared'>,
): Promise<void> {
  room?.settle()
  const { uploadId, algorithm } = upload.session
  if (offsetBytes !== upload.session.offsetBytes) {
    const digestSoFar = hash === undefined ? undefined : digestOfHash(algorithm, hash.copy())
    const move = {
      uploadId,
      fromBytes: upload.session.offsetBytes,
      toBytes: offsetBytes,
      digestSoFar,
      now: registry.context.ports.clock.now(),
      fence: upload.session.fence,
      releases: true,
      ...(room === undefined ? {} : { limitedIn: upload.session.repositoryId }),
    }
    try {
      await moveOffset(registry, move)
      shared?.settled()
    } catch (error) {
      if (quotaFactsOf(error) !== undefined) await discardUpload(registry, upload.session)
      throw error
    }
  }
  if (hash !== undefined) registry.memory.uploads.keep(uploadId, hash, offsetBytes)
}

async function append(registry: Registry, upload: OpenUpload, input: UploadBody & { readonly cut: Cut }): Promise<Received> {
  const { session } = upload
  // Where what came before was hashed by another process, all is read back once, at the end: an object store cannot give it earlier.
  const { hash } = upload
  let { offsetBytes } = session
  let writer: BlobWriter | undefined
  try {
    for await (const chunk of untilCut(input)) {
      writer ??= await storeOf(registry.stores, session.store).openUpload(session.uploadId, session.offsetBytes)
      await input.room?.take(offsetBytes + chunk.length)
      await requireReserve(registry, chunk.length)
      hash?.update(chunk)
      offsetBytes += chunk.length
      if (input.shared !== undefined) input.shared.claim.receivedBytes = offsetBytes
      await writer.write(chunk)
    }
    await writer?.sync()
    return { offsetBytes, hash }
  } catch (error) {
    if (writer !== undefined) await giveUp(registry, upload, { writer, error })
    throw error
  } finally {
    await writer?.[Symbol.asyncDispose]()
  }
}

/**
 * A store that is full, that is away, or in which another process has the upload by now, leaves it resumable: the row stands at its last durable byte, and
 * the store tells what else came. Any other failure of a write or a sync ends the upload, for nobody knows what is on the disk then.
 */
async function giveUp(registry: Registry, upload: OpenUpload, { writer, error }: { writer: BlobWriter; error: unknown }): Promise<void> {
  registry.memory.uploads.drop(upload.session.uploadId)
  if (isStoreLost(error) || isOfObjectStore(error) || (error instanceof RegistryError && sparing.has(error.code))) return
  await writer[Symbol.asyncDispose]()
  try {
    await discardUpload(registry, upload.session)
  } catch (failure) {
    registry.context.log.warn({ err: failure, uploadId: upload.session.uploadId }, 'a failed upload could not be removed')
  }
}

/** Nothing is wrong with the upload, and the same bytes may be taken later. */
const sparing: ReadonlySet<string> = new Set(['STORAGE_FULL', 'BLOB_UPLOAD_BUSY'])

/** The chunks that belong to the upload. The end of the iteration says nothing of why: `cut` does. */
export async function* untilCut(input: UploadBody & { readonly cut: Cut }): AsyncGenerator<Uint8Array> {
  const expectedBytes = input.contentLength ?? (input.range && input.range.end - input.range.start + 1)
  let seen = 0
  try {
    for await (const chunk of input.shared === undefined ? input.body : untilStopped(input.body, input.shared.claim.stopped)) {
      input.signal.throwIfAborted()
      if (chunk.length === 0) continue
      if (expectedBytes !== undefined && seen + chunk.length > expectedBytes) {
        input.cut.error = wrongSize(seen + chunk.length, expectedBytes)
        return
      }
      seen += chunk.length
      yield chunk
    }
    if (expectedBytes !== undefined && seen < expectedBytes) input.cut.error = wrongSize(seen, expectedBytes)
  } catch (error) {
    input.cut.error = error instanceof RegistryError ? error : wrongSize(seen, expectedBytes, error)
  }
}

/** The body, which throws the signal's reason as soon as it aborts, though the sender be silent. One promise a chunk: a race with the signal would keep all. */
function untilStopped(body: AsyncIterable<Uint8Array>, stopped: AbortSignal): AsyncIterable<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]()
  const release = async () => {
    await iterator.return?.()
    return { done: true, value: undefined } as const
  }
  let refuse: ((reason: unknown) => void) | undefined
  stopped.addEventListener('abort', () => refuse?.(stopped.reason), { once: true })
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    stopped.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Uint8Array>>()
    refuse = reject
    iterator.next().then(resolve, reject)
    return await promise
  }
  const guarded = async () => {
    try {
      return await next()
    } catch (error) {
      // Not awaited: a body that waits for its sender would not answer.
      if (stopped.aborted) release().catch(() => undefined)
      throw error
    }
  }
  return { [Symbol.asyncIterator]: () => ({ next: guarded, return: release }) }
}

function wrongSize(receivedBytes: number, expectedBytes: number | undefined, cause?: unknown): RegistryError {
  return new RegistryError('SIZE_INVALID', { receivedBytes, ...(expectedBytes === undefined ? {} : { expectedBytes }) }, { cause })
}
