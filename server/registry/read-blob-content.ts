/** Reads what a pull of a blob gave for the registry's own use: to look into it, or to send it in another form. */
import { readFileRange, ShortReadError } from '#lib/pooled-read.ts'
import { createProof } from '#oci/damaged-blob.ts'
import type { BlobContent } from './registry.ts'

/** Bytes `start` to `end` inclusive. */
export interface ContentRange {
  readonly start: number
  readonly end: number
}

/**
 * All of it in order, or the range, and closes it. Each piece is valid until the next is asked for. All of it is proved by its digest: a blob that is
 * damaged is set aside, and the last piece does not come. A redirect cannot be read: pull with `direct`.
 */
export async function* readBlobContent(
  content: BlobContent,
  signal: AbortSignal,
  range?: ContentRange,
): AsyncGenerator<Uint8Array, void, void> {
  const { sizeBytes } = content
  const { start, end } = range ?? { start: 0, end: sizeBytes - 1 }
  const prove = range === undefined ? createProof(content) : () => undefined
  try {
    let left = end - start + 1
    for await (const piece of piecesOf(content, { start, end }, signal)) {
      prove(piece)
      left -= piece.byteLength
      yield piece
    }
    if (left > 0) throw new ShortReadError(left)
  } catch (error) {
    await content.readFailed(error)
    throw error
  } finally {
    await content.close()
  }
}

async function* piecesOf({ body }: BlobContent, { start, end }: ContentRange, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  if (end < start) return
  switch (body.kind) {
    case 'bytes':
      yield body.bytes.subarray(start, end + 1)
      return
    case 'file':
      yield* readFileRange(body.handle, { start, end }, signal)
      return
    case 'stream':
      yield* (await body.read(start, end, signal)) as AsyncIterable<Uint8Array>
      return
    case 'redirect':
      throw new Error('a redirect has no bytes to read')
  }
}
