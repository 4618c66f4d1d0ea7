/** The bytes of a backup's blobs into a store, each proved on its way and again by reading it back. */
import { createHash } from 'node:crypto'
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { mapLimited } from '#lib/map-limited.ts'
import type { Reader } from '#metadata/metadata.ts'
import { createDigestHash, digestAlgorithm, digestFromBytes, digestOfHash, type Digest } from '#oci/digest.ts'
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
}

const blobsAtOnce = 4
const blobsTogether = 64
const rowsAtOnce = 500

/** Told of each blob. */
export type BlobListener = (bytes: number) => void

/** Copies those that the store has not. */
export async function restoreBlobs(
  target: BlobTarget,
  {
    repository,
    blobs,
    signal,
  }: { readonly repository: BackupRepository; readonly blobs: AsyncIterable<ListedBlob>; readonly signal: AbortSignal },
  onBlob: BlobListener = () => undefined,
): Promise<RestoredBlobs> {
  let [copied, copiedBytes, there] = [0, 0, 0]
  let waiting: ListedBlob[] = []
  const flush = async () => {
    await mapLimited(waiting, blobsAtOnce, async (blob) => {
      signal.throwIfAborted()
      const isCopied = await restoreBlob(target, blob, { repository, signal })
      if (isCopied) {
        copied++
        copiedBytes += blob.sizeBytes
      } else there++
      onBlob(blob.sizeBytes)
    })
    waiting = []
  }
  for await (const blob of blobs) {
    if (blob.isThere) waiting.push(blob)
    if (waiting.length >= blobsTogether) await flush()
  }
  await flush()
  return { copied, copiedBytes, there }
}

async function restoreBlob(
  target: BlobTarget,
  { digest, sizeBytes }: ListedBlob,
  { repository, signal }: { readonly repository: BackupRepository; readonly signal: AbortSignal },
): Promise<boolean> {
  const { store, backup } = target
  const [key, uploadId] = [restoredKey(target, digest), uploadOf(backup, digest)]
  if ((await store.stat(key))?.sizeBytes === sizeBytes) return false
  const name = repository.seal.blobName(digest)
  const pieces = await repository.files.read(name, signal)
  if (pieces === undefined) throw new BackupBroken(`blob ${digest} is not there (${name}): berth backup verify tells what else is wrong`)
  const algorithm = digestAlgorithm(digest)
  const hash = createDigestHash(algorithm)
  try {
    await using writer = await store.openUpload(uploadId, 0)
    for await (const piece of repository.seal.open(name, pieces)) {
      hash.update(piece)
      await writer.write(Buffer.from(piece))
    }
    if (digestOfHash(algorithm, hash) !== digest) throw new BackupBroken(`blob ${digest} is not what its digest says (${name})`)
    await writer.sync()
  } catch (error) {
    await store.abortUpload(uploadId).catch(() => undefined)
    throw error
  }
  await store.commitUpload(uploadId, key)
  return true
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
