/**
 * Moving blobs from one store to another while they are pulled and pushed.
 *
 * The problem: at no instant may a blob be without whole bytes, whatever dies in between, and nobody may wait. The way: the bytes are copied and proved by
 * digest, made durable under a key of their own (noted before it is used, as every push does it), and then one transaction changes the row, if it still is
 * what was copied, and notes the former bytes for garbage collection, which leaves them as long as a pull may be reading them. So whoever read the row before
 * finds the old bytes, and whoever reads it after the new ones; a copy that came to nothing goes by its note.
 */
import type { BlobKey, BlobStore, OpenBlob } from '#blobs/blob-store.ts'
import { isUnreadable } from '#blobs/storage-error.ts'
import { storeOf } from '#blobs/stores.ts'
import { cancelDeletion } from '#metadata/blob-deletions.ts'
import { relocate, type MovableBlob, type Relocation } from '#metadata/blob-places.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { createDigestHash, digestAlgorithm, digestOfHash } from '#oci/digest.ts'
import { publishCopy, type CopiedBytes } from './publish-blob.ts'
import type { QuarantineReason } from './quarantine-blob.ts'
import { closeOpenBlob, openBlobSize, readOpenBlob } from './read-open-blob.ts'
import type { Registry } from './registry.ts'
import { dropBytes } from './upload-session.ts'

/** How a copy is made. */
export interface Copying {
  readonly signal: AbortSignal
  /** Waited for before each piece is written. */
  readonly pace: (bytes: number) => Promise<void>
}

/** Bytes that are whole and durable in the other store, and not yet the blob's. */
export interface BlobCopy {
  readonly blob: MovableBlob
  readonly to: CopiedBytes
}

/** Copies the blob's bytes; gives what is wrong with them instead where they are not the blob's. Throws what speaks against one of the stores. */
export async function copyBlob(
  registry: Registry,
  blob: MovableBlob,
  to: BlobStore,
  copying: Copying,
): Promise<BlobCopy | QuarantineReason> {
  const open = await storeOf(registry.stores, blob.store).open(blob.key as BlobKey, { direct: true, expectedBytes: blob.sizeBytes })
  if (open === undefined) return 'missing'
  if (openBlobSize(open) !== blob.sizeBytes) {
    await closeOpenBlob(open)
    return 'wrong size'
  }
  const uploadId = registry.context.ports.random.uuid()
  try {
    const fault = await pour(blob, { open, to, uploadId }, copying)
    if (fault === undefined) {
      const { digest, sizeBytes } = blob
      return { blob, to: await publishCopy(registry, { uploadId, digest, sizeBytes, store: to.name }) }
    }
    await dropBytes(registry, uploadId, to.name)
    return fault
  } catch (error) {
    await dropBytes(registry, uploadId, to.name)
    throw error
  }
}

async function pour(
  { digest, sizeBytes }: MovableBlob,
  { open, to, uploadId }: { readonly open: OpenBlob; readonly to: BlobStore; readonly uploadId: string },
  { signal, pace }: Copying,
): Promise<QuarantineReason | undefined> {
  const algorithm = digestAlgorithm(digest)
  const hash = createDigestHash(algorithm)
  const pieces = readOpenBlob(open, signal)
  let seen = 0
  try {
    await using writer = await to.openUpload(uploadId, 0)
    for (;;) {
      const piece = await nextPiece(pieces)
      if (piece === 'unreadable') return piece
      if (piece === undefined) break
      seen += piece.length
      if (seen > sizeBytes) return 'wrong size'
      hash.update(piece)
      await pace(piece.length)
      // The reader fills its piece anew while the writer may still have this one.
      await writer.write(Buffer.from(piece))
    }
    if (digestOfHash(algorithm, hash) !== digest) return 'wrong digest'
    await writer.sync()
    return undefined
  } finally {
    await pieces.return(undefined)
  }
}

/** What the medium does not give is the blob's fault; all else is the store's. */
async function nextPiece(pieces: AsyncGenerator<Uint8Array>): Promise<Uint8Array | 'unreadable' | undefined> {
  try {
    const { value, done } = await pieces.next()
    return done === true ? undefined : (value as Uint8Array)
  } catch (error) {
    if (isUnreadable(error)) return 'unreadable'
    throw error
  }
}

/** A copy as a transaction takes it. */
export interface Move extends Omit<Relocation, 'now' | 'readersUntil'> {
  /** Of the key of the copy. */
  readonly noteId: number
}

/** What {@link applyMove} needs of a copy. */
export function moveOf({ blob, to }: BlobCopy): Move {
  const { blobId, sizeBytes, store, key } = blob
  return { blobId, sizeBytes, from: { store, key }, to: { store: to.store, key: to.key }, noteId: to.noteId }
}

/** Makes the copy the blob's bytes in the caller's transaction. False when the blob changed meanwhile, or the copy's time was over. */
export async function applyMove(tx: Transactor, move: Move, times: Pick<Relocation, 'now' | 'readersUntil'>): Promise<boolean> {
  const { noteId, ...relocation } = move
  // A collection took the note, so the bytes may be gone: the blob stays where it is.
  if (!(await cancelDeletion(tx, noteId))) return false
  return await relocate(tx, { ...relocation, ...times })
}

const moveOne = transaction(
  import.meta.url,
  'move-blobs/move-one',
  (tx, { move, now, readersUntil }: { readonly move: Move; readonly now: number; readonly readersUntil: number }) =>
    applyMove(tx, move, { now, readersUntil }),
)

/** Moves one blob. `'changed'`: it was replaced or deleted meanwhile; a reason: its bytes are not its own, and nothing was done about it. */
export async function moveBlob(
  registry: Registry,
  blob: MovableBlob,
  to: BlobStore,
  copying: Copying,
): Promise<'moved' | 'changed' | QuarantineReason> {
  const copy = await copyBlob(registry, blob, to, copying)
  if (typeof copy === 'string') return copy
  const now = registry.context.ports.clock.now()
  const readersUntil = now + registry.options.readersDelayMs
  return (await registry.metadata.write(moveOne, { move: moveOf(copy), now, readersUntil })) ? 'moved' : 'changed'
}
