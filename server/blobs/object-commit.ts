/** Puts an upload together, as often as it takes until the object is there with the size that it must have. */
import { RegistryError } from '#oci/errors.ts'
import { ObjectError, type ObjectBackend, type ObjectPart } from './object-backend.ts'
import { isConflict } from './object-error.ts'
import { stateBytes } from './object-state.ts'
import type { StoredUpload } from './object-writer.ts'

interface Finish {
  /** Of the object to be. */
  readonly name: string
  readonly upload: StoredUpload
}

/** Gives the object's etag and all of its parts. A commit that got this far before does no harm: the object is looked at, not written again. */
export async function finishUpload(
  backend: ObjectBackend,
  { name, upload }: Finish,
  signal: AbortSignal,
): Promise<{ readonly etag: string; readonly parts: readonly ObjectPart[] }> {
  const { state, tail } = upload
  const sizeBytes = stateBytes(state)
  if (state.isComplete) return { etag: await requireWhole(backend, { name, sizeBytes }, signal), parts: state.parts }
  if (state.parts.length === 0) return { etag: await putWhole(backend, { name, pieces: tail, sizeBytes }, signal), parts: [] }
  const { multipartId = '' } = state
  try {
    const parts = [...state.parts]
    if (state.tailBytes > 0) {
      const number = parts.length + 1
      const bytes = { pieces: tail, sizeBytes: state.tailBytes }
      parts.push({ number, etag: await backend.putPart({ name, multipartId, number }, bytes, signal), sizeBytes: state.tailBytes })
    }
    await backend.completeMultipart({ name, multipartId }, parts, signal)
    return { etag: await requireWhole(backend, { name, sizeBytes }, signal), parts }
  } catch (error) {
    if (signal.aborted || !(error instanceof ObjectError) || error.fault === 'full') throw error
    // It may be done all the same: its answer was lost, or another attempt was first.
    const parts = [
      ...state.parts,
      ...(state.tailBytes > 0 ? [{ number: state.parts.length + 1, etag: '', sizeBytes: state.tailBytes }] : []),
    ]
    return { etag: await requireWhole(backend, { name, sizeBytes, cause: error }, signal), parts }
  }
}

/** Nothing is put in place of what is there: bytes under a key stay what they are. */
async function putWhole(
  backend: ObjectBackend,
  { name, pieces, sizeBytes }: { readonly name: string; readonly pieces: readonly Uint8Array[]; readonly sizeBytes: number },
  signal: AbortSignal,
): Promise<string> {
  try {
    return await backend.put(name, { pieces, sizeBytes }, { condition: { isAbsent: true }, signal })
  } catch (error) {
    if (!isConflict(error)) throw error
    return requireWhole(backend, { name, sizeBytes, cause: error }, signal)
  }
}

async function requireWhole(
  backend: ObjectBackend,
  { name, sizeBytes, cause }: { readonly name: string; readonly sizeBytes: number; readonly cause?: unknown },
  signal: AbortSignal,
): Promise<string> {
  const facts = await backend.head(name, signal)
  if (facts?.sizeBytes === sizeBytes) return facts.etag
  if (facts === undefined && cause instanceof ObjectError && cause.fault === 'absent')
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN', undefined, { cause })
  const found = facts === undefined ? 'is not there' : `has ${facts.sizeBytes} bytes`
  const why = new Error(`an object of ${sizeBytes} bytes ${found} after its commit`, cause === undefined ? undefined : { cause })
  throw new RegistryError('UNAVAILABLE', undefined, { cause: why, retryAfterSeconds: 5 })
}
