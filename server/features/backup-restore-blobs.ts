/** The bytes of a backup's blobs into a store, each proved on its way and again by reading it back. One that the backup has no good bytes of does not keep the others back. */
import { createHash } from 'node:crypto'
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { isUnreadable } from '#blobs/storage-error.ts'
import { mapLimited } from '#lib/map-limited.ts'
import type { Reader } from '#metadata/metadata.ts'
import { createDigestHash, digestAlgorithm, digestFromBytes, digestOfHash, type Digest } from '#oci/digest.ts'
import type { QuarantineReason } from '#registry/quarantine-blob.ts'
import { readOpenBlob } from '#registry/read-open-blob.ts'
import type { BackupRepository } from './backup-repository.ts'
import { BackupBroken } from './backup-seal.ts'
import type { ListedBlob } from './backup-verify.ts'

/** Where to, and from which backup: a restore that is run again meets the same keys. */
export interface BlobTarget {
  readonly store: BlobStore
  readonly backup: string
}

function seedOf(backup: string, digest: Digest): Buffer {
  return createHash('sha256').update(`berth restore ${backup} ${digest}`).digest()
}

function uploadOf(backup: string, digest: Digest): string {
  return `restore-${seedOf(backup, digest).toString('hex').slice(0, 32)}`
}

/** The key of a blob in that store: always the same for this backup, and that of nothing else. */
export function restoredKey({ store, backup }: BlobTarget, digest: Digest): BlobKey {
  const random = { bytes: (count: number) => seedOf(backup, digest).subarray(0, count), uuid: () => uploadOf(backup, digest) }
  return store.keyFor(uploadOf(backup, digest), digest, random)
}

/** What was done. */
export interface RestoredBlobs {
  readonly copied: number
  readonly copiedBytes: number
  /** Of a run before this one. */
  readonly there: number
  /** Those that the backup has no good bytes of. */
  readonly damaged: ReadonlyMap<Digest, QuarantineReason>
}

/** A blob that the backup has no good bytes of; `detail` is for people. */
export class DamagedInBackup extends Error {
  override readonly name = 'DamagedInBackup'
  readonly digest: Digest
  readonly reason: QuarantineReason
  readonly detail: string

  constructor(digest: Digest, reason: QuarantineReason, detail: string) {
    super(`blob ${digest} ${detail}`)
    this.digest = digest
    this.reason = reason
    this.detail = detail
  }
}

const blobsAtOnce = 4
const blobsTogether = 64
const rowsAtOnce = 500

/** Told of each blob. */
export type BlobListener = (bytes: number) => void

/** What is copied from where. */
export interface BlobSource {
  readonly repository: BackupRepository
  readonly blobs: AsyncIterable<ListedBlob>
  readonly signal: AbortSignal
  /** Told of each that the backup has no good bytes of, one after the other. */
  readonly onDamaged: (damage: DamagedInBackup) => Promise<void>
}

/** Copies those that the store has not. */
export async function restoreBlobs(
  target: BlobTarget,
  { repository, blobs, signal, onDamaged }: BlobSource,
  onBlob: BlobListener = () => undefined,
): Promise<RestoredBlobs> {
  const damaged = new Map<Digest, QuarantineReason>()
  let [copied, copiedBytes, there] = [0, 0, 0]
  let waiting: ListedBlob[] = []
  const copy = async (blob: ListedBlob): Promise<DamagedInBackup | undefined> => {
    signal.throwIfAborted()
    const outcome = await restoreBlob(target, blob, { repository, signal })
    if (outcome === 'copied') {
      copied++
      copiedBytes += blob.sizeBytes
    } else if (outcome === 'there') there++
    onBlob(blob.sizeBytes)
    return typeof outcome === 'string' ? undefined : outcome
  }
  const flush = async () => {
    const outcomes = await mapLimited(waiting, blobsAtOnce, copy)
    waiting = []
    for (const damage of outcomes) {
      if (damage === undefined) continue
      damaged.set(damage.digest, damage.reason)
      await onDamaged(damage)
    }
  }
  for await (const blob of blobs) {
    if (blob.isThere) waiting.push(blob)
    if (waiting.length >= blobsTogether) await flush()
  }
  await flush()
  return { copied, copiedBytes, there, damaged }
}

interface Reading {
  readonly repository: BackupRepository
  readonly signal: AbortSignal
}

async function restoreBlob(target: BlobTarget, blob: ListedBlob, reading: Reading): Promise<'copied' | 'there' | DamagedInBackup> {
  const { store, backup } = target
  const [key, uploadId] = [restoredKey(target, blob.digest), uploadOf(backup, blob.digest)]
  if ((await store.stat(key))?.sizeBytes === blob.sizeBytes) return 'there'
  try {
    await using writer = await store.openUpload(uploadId, 0)
    for await (const piece of provedPieces(blob, reading)) await writer.write(Buffer.from(piece))
    await writer.sync()
  } catch (error) {
    await store.abortUpload(uploadId).catch(() => undefined)
    if (error instanceof DamagedInBackup) return error
    throw error
  }
  await store.commitUpload(uploadId, key)
  return 'copied'
}

/** The bytes of the blob: at their end they were its own. Throws {@link DamagedInBackup}; what else goes wrong is not the backup's fault. */
async function* provedPieces({ digest, sizeBytes }: ListedBlob, { repository, signal }: Reading): AsyncGenerator<Uint8Array> {
  const name = repository.seal.blobName(digest)
  const algorithm = digestAlgorithm(digest)
  const hash = createDigestHash(algorithm)
  let count = 0
  try {
    const pieces = await repository.files.read(name, signal)
    if (pieces === undefined) throw new DamagedInBackup(digest, 'missing', `is not there (${name})`)
    for await (const piece of repository.seal.open(name, pieces)) {
      hash.update(piece)
      count += piece.length
      yield piece
    }
  } catch (error) {
    if (error instanceof BackupBroken) throw new DamagedInBackup(digest, 'wrong digest', `cannot be opened: ${error.message}`)
    if (isUnreadable(error)) throw new DamagedInBackup(digest, 'unreadable', `cannot be read from its disk (${name})`)
    throw error
  }
  if (count !== sizeBytes) throw new DamagedInBackup(digest, 'wrong size', `has ${count} bytes in place of ${sizeBytes} (${name})`)
  if (digestOfHash(algorithm, hash) !== digest) throw new DamagedInBackup(digest, 'wrong digest', `is not what its digest says (${name})`)
}

/** Reads every blob that a row says is there. One that is not right is deleted, so that the next run copies it again, and then this throws. */
export async function proveBlobs(
  reader: Reader,
  store: BlobStore,
  signal: AbortSignal,
  onBlob: BlobListener = () => undefined,
): Promise<number> {
  let proved = 0
  for (let after = 0; ;) {
    const rows = await reader
      .selectFrom('blobs')
      .select(['id', 'digest', 'size_bytes', 'key'])
      .where('state', '=', 'live')
      .where('id', '>', after)
      .orderBy('id')
      .limit(rowsAtOnce)
      .execute()
    await mapLimited(rows, blobsAtOnce, async ({ digest: bytes, size_bytes: sizeBytes, key }) => {
      const digest = digestFromBytes(bytes)
      await proveBlob(store, { digest, sizeBytes, key: key as BlobKey }, signal)
      proved++
      onBlob(sizeBytes)
    })
    after = rows.at(-1)?.id ?? after
    if (rows.length < rowsAtOnce) return proved
  }
}

async function proveBlob(
  store: BlobStore,
  { digest, sizeBytes, key }: { readonly digest: Digest; readonly sizeBytes: number; readonly key: BlobKey },
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  const opened = await store.open(key, { direct: true, expectedBytes: sizeBytes })
  const algorithm = digestAlgorithm(digest)
  const hash = createDigestHash(algorithm)
  if (opened !== undefined) for await (const piece of readOpenBlob(opened, signal)) hash.update(piece)
  if (opened !== undefined && digestOfHash(algorithm, hash) === digest) return
  await store.delete([key])
  throw new Error(
    `blob ${digest} was read back from the store with other bytes than were written: run the restore again, and doubt the disk`,
  )
}
