/** Reads the bytes of an {@link OpenBlob} for the registry itself: to fill a cache, to scrub, to compare. Closes it at the end. */
import type { FileHandle } from 'node:fs/promises'
import type { OpenBlob } from '#blobs/blob-store.ts'
import { readFileRange, ShortReadError } from '#lib/pooled-read.ts'
import { RegistryError } from '#oci/errors.ts'

/** Pieces in order. Each is valid until the next is asked for. A redirect cannot be read: open with `direct`. */
export async function* readOpenBlob(blob: OpenBlob, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  switch (blob.kind) {
    case 'bytes':
      yield blob.bytes
      return
    case 'file':
      yield* readWhole(blob.handle, blob.sizeBytes, signal)
      return
    case 'stream':
      if (blob.sizeBytes > 0) yield* await blob.read(0, blob.sizeBytes - 1, signal)
      return
    case 'redirect':
      throw new Error('a redirect has no bytes to read')
  }
}

async function* readWhole(handle: FileHandle, sizeBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* readFileRange(handle, { start: 0, end: sizeBytes - 1 }, signal)
  } catch (cause) {
    // A file that was cut meanwhile ends early: its bytes hash to something else, and that is for the caller to find.
    if (cause instanceof ShortReadError) return
    throw signal.aborted ? cause : new RegistryError('UNAVAILABLE', undefined, { cause })
  } finally {
    await handle.close()
  }
}

/** What the blob says of its size; undefined for a redirect. */
export function openBlobSize(blob: OpenBlob): number | undefined {
  switch (blob.kind) {
    case 'bytes':
      return blob.bytes.byteLength
    case 'file':
    case 'stream':
      return blob.sizeBytes
    case 'redirect':
      return undefined
  }
}

/** Closes a blob that is not read (any more). */
export async function closeOpenBlob(blob: OpenBlob): Promise<void> {
  if (blob.kind === 'file') await blob.handle.close()
}
