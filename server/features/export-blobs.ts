/** Exporting the blobs of one repository: another name for the file where that is possible, a copy that is proved by digest where it is not. */
import { join } from 'node:path'
import type { BlobKey } from '#blobs/blob-store.ts'
import { storeOf } from '#blobs/stores.ts'
import { createDigestHash, digestAlgorithm, digestFromBytes, digestOfHash, type Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { readOpenBlob } from '#registry/read-open-blob.ts'
import { mapLimited } from '#lib/map-limited.ts'
import { layerLinkPath, layoutBlobKey } from './registry2-layout.ts'
import { exportedSize, linkFile, writeBytes, writeWhole } from './export-files.ts'
import type { ExportedRepository, ExportRun } from './export-run.ts'

const blobsInPage = 500
const blobsAtOnce = 8

interface BlobOfRepository {
  readonly linkId: number
  readonly digest: Digest
  readonly sizeBytes: number
  readonly store: string
  readonly key: BlobKey
  readonly isLive: boolean
}

async function blobsAfter({ run, id }: ExportedRepository, afterId: number): Promise<BlobOfRepository[]> {
  const rows = await run.reader
    .selectFrom('repository_blobs as rb')
    .innerJoin('blobs as b', 'b.id', 'rb.blob_id')
    .select(['rb.id', 'b.digest', 'b.size_bytes', 'b.store', 'b.key', 'b.state'])
    .where('rb.repository_id', '=', id)
    .where('rb.id', '>', afterId)
    .orderBy('rb.id')
    .limit(blobsInPage)
    .execute()
  return rows.map((row) => ({
    linkId: row.id,
    digest: digestFromBytes(row.digest),
    sizeBytes: row.size_bytes,
    store: row.store,
    key: row.key as BlobKey,
    isLive: row.state === 'live',
  }))
}

class WrongBytes extends Error {}

async function copyBlob(run: ExportRun, { store, key, digest, sizeBytes }: BlobOfRepository): Promise<boolean> {
  const open = await storeOf(run.stores, store).open(key, { direct: true })
  if (open === undefined) return false
  const algorithm = digestAlgorithm(digest)
  try {
    await writeWhole(run.directory, layoutBlobKey(digest), async (handle) => {
      const hash = createDigestHash(algorithm)
      for await (const piece of readOpenBlob(open, run.signal)) {
        hash.update(piece)
        // On a handle this writes all of the piece, where the last one ended.
        await handle.writeFile(piece)
      }
      if (digestOfHash(algorithm, hash) !== digest) throw new WrongBytes()
    })
  } catch (error) {
    if (error instanceof WrongBytes) return false
    throw error
  }
  run.count({ blobsCopied: 1, bytesCopied: sizeBytes })
  return true
}

/** Puts the bytes where registry:2 looks for them. False when they are not there, or not right. */
async function placeBytes(run: ExportRun, blob: BlobOfRepository): Promise<boolean> {
  const path = layoutBlobKey(blob.digest)
  if ((await exportedSize(run.directory, path)) === blob.sizeBytes) {
    run.count({ blobsKept: 1 })
    return true
  }
  const stat = await storeOf(run.stores, blob.store).stat(blob.key)
  if (stat?.sizeBytes !== blob.sizeBytes) return false
  if (run.rootDirectory === undefined || blob.store !== run.stores.primary.name) return await copyBlob(run, blob)
  const outcome = await linkFile(run.directory, path, join(run.rootDirectory, blob.key))
  if (outcome === 'linked') run.count({ blobsLinked: 1 })
  return outcome === 'refused' ? await copyBlob(run, blob) : outcome === 'linked'
}

async function exportBlob({ run, name, problems }: ExportedRepository, blob: BlobOfRepository): Promise<void> {
  run.signal.throwIfAborted()
  if (!blob.isLive || !(await placeBytes(run, blob))) {
    problems.add('blob-unreadable', blob.digest)
    return
  }
  await writeBytes(run.directory, layerLinkPath(name as RepositoryName, blob.digest), Buffer.from(blob.digest))
  run.count({ layerLinks: 1 })
}

/** The repository's blobs that were linked after row `afterId`; gives the last row. */
export async function exportBlobs(repository: ExportedRepository, afterId: number): Promise<number> {
  let lastId = afterId
  for (;;) {
    const page = await blobsAfter(repository, lastId)
    await mapLimited(page, blobsAtOnce, (blob) => exportBlob(repository, blob))
    lastId = page.at(-1)?.linkId ?? lastId
    if (page.length < blobsInPage) return lastId
  }
}
