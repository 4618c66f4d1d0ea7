/** Ends uploads that nobody goes on with, and removes bytes in the store that no upload's row stands for. */
import type { BlobStore } from '#blobs/blob-store.ts'
import { isStoreLost } from '#blobs/store-mark.ts'
import { storeOf } from '#blobs/stores.ts'
import { staleUploads, uploadExists } from '#metadata/uploads.ts'
import type { Registry } from './registry.ts'
import { dropBytes, removeSession } from './upload-session.ts'

/** Bytes without a row are left alone for so long: a push in one request has no row, and its bytes are young. */
const orphanAgeMs = 24 * 60 * 60 * 1_000
const batchRows = 200

/** How one purge goes. With `dryRun` it counts and removes nothing. */
export interface UploadPurge {
  /** Sessions whose last change is older go. */
  readonly ageMs: number
  readonly dryRun?: boolean | undefined
  readonly signal: AbortSignal
}

/** What a purge removed, or would remove. */
export interface UploadPurgeReport {
  /** Sessions that were ended (or would be). */
  readonly sessions: number
  /** Uploads of the store without a session. */
  readonly orphans: number
}

/** Ends stale sessions first, then removes bytes without a session. Rejects with the signal's reason when it aborts; what is done stays done. */
export async function purgeUploads(registry: Registry, purge: UploadPurge): Promise<UploadPurgeReport> {
  const sessions = await purgeSessions(registry, purge)
  return { sessions, orphans: await purgeOrphans(registry, purge) }
}

async function purgeSessions(registry: Registry, { ageMs, dryRun, signal }: UploadPurge): Promise<number> {
  const before = registry.context.ports.clock.now() - ageMs
  let count = 0
  for (let afterId = 0; ;) {
    signal.throwIfAborted()
    const batch = await staleUploads(registry.metadata.reader, before, { afterId, limit: batchRows })
    for (const session of batch) {
      afterId = session.id
      if (dryRun === true || (await endSession(registry, session, before))) count++
    }
    if (batch.length < batchRows) return count
  }
}

/** False when somebody writes to it, or did meanwhile, or its store is away: nobody could go on with it. */
async function endSession(
  registry: Registry,
  { uploadId, repositoryId, store }: { readonly uploadId: string; readonly repositoryId: number; readonly store: string },
  unchangedSince: number,
): Promise<boolean> {
  using claim = registry.memory.uploads.claim(uploadId)
  if (claim === undefined || (await isAway(registry, store))) return false
  if (!(await registry.metadata.write(removeSession, { uploadId, repositoryId, unchangedSince }))) return false
  registry.memory.uploads.drop(uploadId)
  await dropBytes(registry, uploadId, store)
  return true
}

async function isAway(registry: Registry, store: string): Promise<boolean> {
  try {
    await storeOf(registry.stores, store).requireThere()
    return false
  } catch (error) {
    if (isStoreLost(error)) return true
    throw error
  }
}

async function purgeOrphans(registry: Registry, purge: UploadPurge): Promise<number> {
  let count = 0
  for (const store of registry.stores.all.values()) count += await purgeOrphansOf(registry, store, purge)
  return count
}

async function purgeOrphansOf(registry: Registry, store: BlobStore, { dryRun, signal }: UploadPurge): Promise<number> {
  const before = registry.context.ports.clock.now() - orphanAgeMs
  let count = 0
  for await (const { uploadId, modifiedAt } of store.listUploads()) {
    signal.throwIfAborted()
    if (modifiedAt > before || (await uploadExists(registry.metadata.reader, uploadId))) continue
    if (dryRun !== true) await dropBytes(registry, uploadId, store.name)
    count++
  }
  return count
}
