/**
 * Garbage collection, online and in batches: what lost its last reference is on a review queue; what the review finds unreferenced and out of
 * lease loses its row (from then on it is missing for everyone, and a push of it gets a new key); its bytes go when no request can still be
 * reading them. No lock is held over storage, and nothing walks the store.
 */
import type { BlobKey } from '#blobs/blob-store.ts'
import { recordEvent } from '#events/record.ts'
import { countDueDeletions, deleteDeletions, dueDeletions, keyInUse, scheduleDeletion, type DueDeletion } from '#metadata/blob-deletions.ts'
import {
  countUnkeptManifests,
  countUnreferencedBlobs,
  deleteReviews,
  dueReviews,
  queueForgotten,
  review,
  reviewedBlobs,
  reviewedManifests,
  type ReviewedBlob,
  type ReviewKind,
} from '#metadata/garbage.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { parseRepositoryName } from '#oci/reference.ts'
import { finishDeletions } from './delete-repository.ts'
import { keyOutlivesRowMs } from './publish-blob.ts'
import type { Registry } from './registry.ts'
import { removeManifest } from './remove-manifest.ts'

const batchRows = 500

/** How one run goes: what it takes, what it waits for, and what stops it. */
export interface GarbageCollection {
  readonly signal: AbortSignal
  /** Counts what is due now and changes nothing. */
  readonly dryRun?: boolean | undefined
  /** Manifests go too that no tag points at, no index lists, and whose subject is not here. */
  readonly deleteUntagged?: boolean | undefined
  /** First looks through all rows for what is unreferenced and was never queued (an import). */
  readonly sweep?: boolean | undefined
  /** Neither leases nor readers are waited for: only while nobody pushes or pulls, as `registry garbage-collect` always was. */
  readonly immediately?: boolean | undefined
}

/** What a run removed; with `dryRun`, what it would remove. */
export interface GarbageReport {
  readonly manifests: number
  /** Blobs that lost their row. */
  readonly blobs: number
  /** Keys whose bytes went, and how many bytes. */
  readonly keys: number
  readonly freedBytes: number
}

interface Review {
  readonly now: number
  /** Reviews and leases that end until then are over. */
  readonly dueBefore: number
  readonly limit: number
  readonly deleteAfter: number
  readonly safeUntil: number
}

const forever = Number.MAX_SAFE_INTEGER

const queue = transaction(
  import.meta.url,
  'collect-garbage/queue-forgotten',
  (tx, input: { readonly kind: ReviewKind; readonly afterId: number; readonly limit: number; readonly reviewAfter: number }) =>
    queueForgotten(tx, input.kind, input),
)

/** `seen` 0: the queue is empty. */
const reviewBlobs = transaction(import.meta.url, 'collect-garbage/review-blobs', async (tx, input: Review) => {
  const due = await dueReviews(tx, 'blob', input.dueBefore, input.limit)
  const blobs = new Map(
    (
      await reviewedBlobs(
        tx,
        due.map(({ targetId }) => targetId),
      )
    ).map((blob) => [blob.blobId, blob]),
  )
  await deleteReviews(
    tx,
    due.map(({ reviewId }) => reviewId),
  )
  let removed = 0
  for (const { targetId } of due) {
    const blob = blobs.get(targetId)
    if (blob === undefined || blob.referenced) continue
    if (blob.leaseUntil > input.dueBefore) {
      await review(tx, 'blob', targetId, blob.leaseUntil)
      continue
    }
    await condemn(tx, blob, input.deleteAfter)
    removed++
  }
  return { seen: due.length, removed }
})

/** From this commit on the blob is missing for everyone. */
async function condemn(tx: Transactor, { blobId, store, key, sizeBytes }: ReviewedBlob, deleteAfter: number): Promise<void> {
  await tx.deleteFrom('blobs').where('id', '=', blobId).execute()
  if (!(await keyInUse(tx, store, key))) await scheduleDeletion(tx, { store, key, sizeBytes, deleteAfter })
}

const reviewManifests = transaction(import.meta.url, 'collect-garbage/review-manifests', async (tx, input: Review) => {
  const due = await dueReviews(tx, 'manifest', input.dueBefore, input.limit)
  const manifests = await reviewedManifests(
    tx,
    due.map(({ targetId }) => targetId),
  )
  await deleteReviews(
    tx,
    due.map(({ reviewId }) => reviewId),
  )
  const { now, safeUntil } = input
  let removed = 0
  for (const manifest of manifests) {
    if (manifest.kept) continue
    await removeManifest(tx, { ...manifest, actor: '', now, safeUntil })
    const repository = parseRepositoryName(manifest.repository)
    if (repository !== undefined)
      await recordEvent(tx, { action: 'manifest.deleted', repository, digest: manifest.digest, at: now, actor: '', requestId: '' })
    removed++
  }
  return { seen: due.length, removed }
})

const forgetKeys = transaction(import.meta.url, 'collect-garbage/forget-keys', (tx, input: { readonly ids: readonly number[] }) =>
  deleteDeletions(tx, input.ids),
)

/** Everything that is due. Safe to run at any time and on any number of processes; ends early when the signal aborts. */
export async function collectGarbage(registry: Registry, collection: GarbageCollection): Promise<GarbageReport> {
  if (collection.dryRun === true) return countGarbage(registry, collection)
  await finishDeletions(registry, collection.signal)
  if (collection.sweep === true) await sweep(registry, collection)
  const manifests = collection.deleteUntagged === true ? await untilEmpty(registry, collection, reviewManifests) : 0
  const blobs = await untilEmpty(registry, collection, reviewBlobs)
  return { manifests, blobs, ...(await deleteKeys(registry, collection)) }
}

async function sweep(registry: Registry, { signal }: GarbageCollection): Promise<void> {
  const reviewAfter = registry.context.ports.clock.now()
  for (const kind of ['manifest', 'blob'] as const) {
    let afterId: number | undefined = 0
    while (afterId !== undefined) {
      signal.throwIfAborted()
      afterId = await registry.metadata.write(queue, { kind, afterId, limit: batchRows, reviewAfter })
    }
  }
}

async function untilEmpty(registry: Registry, collection: GarbageCollection, step: typeof reviewBlobs): Promise<number> {
  for (let removed = 0; ;) {
    collection.signal.throwIfAborted()
    const batch = await registry.metadata.write(step, reviewOf(registry, collection))
    removed += batch.removed
    // What was put back has a later time, so an empty batch comes.
    if (batch.seen === 0) return removed
  }
}

function reviewOf(registry: Registry, { immediately }: GarbageCollection): Review {
  const now = registry.context.ports.clock.now()
  if (immediately === true) return { now, dueBefore: forever, limit: batchRows, deleteAfter: now, safeUntil: now }
  return { now, dueBefore: now, limit: batchRows, deleteAfter: now + keyOutlivesRowMs, safeUntil: now + registry.options.garbageDelayMs }
}

/** Bytes first, then the note of them: a crash between the two deletes once more what is gone already. */
async function deleteKeys(
  registry: Registry,
  { signal, immediately }: GarbageCollection,
): Promise<{ readonly keys: number; readonly freedBytes: number }> {
  const { metadata, store, context } = registry
  const dueBefore = immediately === true ? forever : context.ports.clock.now()
  let [keys, freedBytes, afterId] = [0, 0, 0]
  for (;;) {
    signal.throwIfAborted()
    const due = await dueDeletions(metadata.reader, store.name, { dueBefore, afterId, limit: batchRows })
    if (due.length === 0) return { keys, freedBytes }
    const gone = await deleteBytes(
      registry,
      due.filter(({ inUse }) => !inUse),
    )
    const done = [...gone, ...due.filter(({ inUse }) => inUse)]
    await metadata.write(forgetKeys, { ids: done.map(({ deletionId }) => deletionId) })
    keys += gone.length
    freedBytes += gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    afterId = due.at(-1)?.deletionId ?? afterId
  }
}

/** What was deleted. A key that cannot be (a bad sector) does not keep the others; the next collection tries it again. */
async function deleteBytes({ store, context }: Registry, due: readonly DueDeletion[]): Promise<readonly DueDeletion[]> {
  try {
    await store.delete(due.map(({ key }) => key as BlobKey))
    return due
  } catch {
    const gone: DueDeletion[] = []
    for (const deletion of due) {
      try {
        await store.delete([deletion.key as BlobKey])
        gone.push(deletion)
      } catch (error) {
        context.log.warn({ err: error, key: deletion.key }, 'bytes could not be deleted: the next collection tries again')
      }
    }
    return gone
  }
}

/** What is due now; what would become due by the collection itself (the layers of an untagged manifest) is not counted. */
async function countGarbage(registry: Registry, collection: GarbageCollection): Promise<GarbageReport> {
  const { reader } = registry.metadata
  const { dueBefore } = reviewOf(registry, collection)
  const manifests = collection.deleteUntagged === true ? await countUnkeptManifests(reader, dueBefore) : 0
  const { blobs, sizeBytes } = await countUnreferencedBlobs(reader, dueBefore)
  const deletions = await countDueDeletions(reader, registry.store.name, dueBefore)
  return { manifests, blobs, keys: deletions.keys + blobs, freedBytes: deletions.sizeBytes + sizeBytes }
}
