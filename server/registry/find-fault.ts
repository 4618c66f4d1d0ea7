/** Reads all bytes of a blob and compares them with what its row says. */
import type { BlobKey, BlobStore, OpenBlob } from '#blobs/blob-store.ts'
import { isUnreadable } from '#blobs/storage-error.ts'
import type { BlobPlace } from '#metadata/blobs.ts'
import { createDigestHash, digestAlgorithm, digestOfHash, type Digest, type DigestAlgorithm } from '#oci/digest.ts'
import type { QuarantineReason } from './quarantine-blob.ts'
import { closeOpenBlob, openBlobSize, readOpenBlob } from './read-open-blob.ts'

/** Undefined: the blob is whole. `onPiece` is waited for after each piece. Throws what does not speak against the blob. */
export async function findFault(
  store: BlobStore,
  blob: BlobPlace & { readonly digest: Digest },
  { signal, onPiece }: { readonly signal: AbortSignal; readonly onPiece?: (piece: Uint8Array) => Promise<void> },
): Promise<QuarantineReason | undefined> {
  try {
    const open = await store.open(blob.key as BlobKey, { direct: true })
    if (open === undefined) return 'missing'
    if (openBlobSize(open) !== blob.sizeBytes) {
      // The size decides: the bytes need not be read.
      await closeOpenBlob(open)
      return 'wrong size'
    }
    return (await digestOfOpen(open, { algorithm: digestAlgorithm(blob.digest), signal, onPiece })) === blob.digest
      ? undefined
      : 'wrong digest'
  } catch (error) {
    if (isUnreadable(error)) return 'unreadable'
    throw error
  }
}

interface Reading {
  readonly algorithm: DigestAlgorithm
  readonly signal: AbortSignal
  readonly onPiece: ((piece: Uint8Array) => Promise<void>) | undefined
}

async function digestOfOpen(open: OpenBlob, { algorithm, signal, onPiece }: Reading): Promise<Digest> {
  const hash = createDigestHash(algorithm)
  for await (const piece of readOpenBlob(open, signal)) {
    hash.update(piece)
    await onPiece?.(piece)
  }
  return digestOfHash(algorithm, hash)
}
