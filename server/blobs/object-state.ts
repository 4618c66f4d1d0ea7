/**
 * The state of an upload of an object store, as one small object `uploads/<uploadId>`: a line of JSON, then the bytes that no part has yet.
 * Writing it is what makes an upload durable; whoever reads it, on any node, can go on.
 */
import { RegistryError } from '#oci/errors.ts'
import type { ObjectBytes, ObjectPart } from './object-backend.ts'

/** An upload between two requests. */
export interface UploadState {
  /** Undefined until there is a part. */
  readonly multipartId: string | undefined
  readonly parts: readonly ObjectPart[]
  /** Bytes behind the parts, in the state object itself. */
  readonly tailBytes: number
  /** The parts, and the tail as the last of them, are an object by now: nothing can be appended. */
  readonly isComplete: boolean
  /** Names this writing of the state: who lost the answer knows its own again. */
  readonly writeId: string
}

const newline = 0x0a

/** How many bytes the upload has. */
export function stateBytes({ parts, tailBytes }: Pick<UploadState, 'parts' | 'tailBytes'>): number {
  return parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, tailBytes)
}

/** The object for a state and its tail. */
export function encodeState(state: UploadState, tail: readonly Uint8Array[]): ObjectBytes {
  const head = Buffer.from(
    `${JSON.stringify({ version: 1, ...state, parts: state.parts.map((each) => [each.number, each.etag, each.sizeBytes]) })}\n`,
  )
  return { pieces: [head, ...tail], sizeBytes: head.length + state.tailBytes }
}

/** The state and where its tail begins. Throws `UNAVAILABLE` for bytes that are none: nobody else writes below `uploads/`. */
export function decodeState(bytes: Uint8Array): { readonly state: UploadState; readonly tailStart: number } {
  const end = bytes.indexOf(newline)
  const state = end === -1 ? undefined : readHead(bytes.subarray(0, end))
  if (state === undefined || bytes.length - end - 1 !== state.tailBytes)
    throw new RegistryError('UNAVAILABLE', undefined, { cause: new Error('the state of an upload is damaged') })
  return { state, tailStart: end + 1 }
}

function readHead(bytes: Uint8Array): UploadState | undefined {
  let head: Partial<Record<string, unknown>>
  try {
    head = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<Record<string, unknown>>
  } catch {
    return undefined
  }
  const { version, multipartId, parts, tailBytes, isComplete, writeId } = head
  if (version !== 1 || !Array.isArray(parts) || typeof tailBytes !== 'number' || typeof writeId !== 'string') return undefined
  return {
    multipartId: typeof multipartId === 'string' ? multipartId : undefined,
    parts: (parts as [number, string, number][]).map(([number, etag, sizeBytes]) => ({ number, etag, sizeBytes })),
    tailBytes,
    isComplete: isComplete === true,
    writeId,
  }
}
