/**
 * Garbage collection, online and in batches. What lost what kept it is on a review queue (metadata/garbage.ts): a manifest without a tag goes where its
 * project says so, a blob leaves a repository where no manifest needs it and nobody may still rely on it, and loses its row when no repository and no
 * manifest is left that has it. From then on it is missing for everyone, and a push of it gets a new key; its bytes go when no request can still be
 * reading them. No lock is held over storage, nothing walks the store, and the cost follows what changed, never what there is.
 */
import { finishDeletions } from './delete-repository.ts'
import { queueSweep, reviewBlobs, reviewLinks, reviewManifests, type BatchOutcome, type ReviewBatch } from './garbage-batches.ts'
import { countGarbage } from './count-garbage.ts'
import { deleteDueKeys } from './garbage-keys.ts'
import type { Registry } from './registry.ts'
import { trashUntil } from './trash-place.ts'

/** A batch holds the writer for some 10 ms, between which pushes get their turn. Manifests take a handful of statements each. */
const batchRows = { manifests: 50, links: 500, blobs: 500, sweep: 1_000 } as const

/** How one run goes: what it takes, what it waits for, and what stops it. */
export interface GarbageCollection {
  readonly signal: AbortSignal
  /** Counts what is due now and changes nothing. */
  readonly dryRun?: boolean | undefined
  /** Manifests go too that no tag points at, no index lists, and whose subject is not here, whatever their project says of them. */
  readonly deleteUntagged?: boolean | undefined
  /** First looks through all rows for what is unreferenced and was never queued (an import). */
  readonly sweep?: boolean | undefined
  /** Neither leases nor readers are waited for: only while nobody pushes or pulls, as `registry garbage-collect` always was. */
  readonly immediately?: boolean | undefined
  /** Told after each batch what the run did so far. */
  readonly onProgress?: ((soFar: GarbageReport) => Promise<void>) | undefined
  /** Told of each key whose bytes could not be deleted. */
  readonly onFailed?: ((key: string, error: unknown) => void) | undefined
}

/** What a run removed; with `dryRun`, what it would remove. */
export interface GarbageReport {
  readonly manifests: number
  /** Blobs that left a repository. */
  readonly links: number
  /** Blobs that lost their row. */
  readonly blobs: number
  /** Keys whose bytes went, and how many bytes. */
  readonly keys: number
  readonly freedBytes: number
  /** Keys whose bytes could not be deleted: they stay for the next run. */
  readonly failedKeys: number
}

/** Of a run that did nothing yet. */
export const nothingCollected: GarbageReport = { manifests: 0, links: 0, blobs: 0, keys: 0, freedBytes: 0, failedKeys: 0 }

/** Until which time reviews, leases and notes are over. */
export function dueBeforeOf(registry: Registry, { immediately }: Pick<GarbageCollection, 'immediately'>): number {
  return immediately === true ? Number.MAX_SAFE_INTEGER : registry.context.ports.clock.now()
}

/** How long an untagged manifest stays whatever its project says. */
export function untaggedDelayOf({ options }: Registry, { immediately }: Pick<GarbageCollection, 'immediately'>): number {
  return immediately === true ? 0 : options.garbageDelayMs
}

/** Everything that is due. Safe to run at any time and on any number of processes; ends early when the signal aborts. */
export async function collectGarbage(registry: Registry, collection: GarbageCollection): Promise<GarbageReport> {
  if (collection.dryRun === true) {
    const due = { dueBefore: dueBeforeOf(registry, collection), delayMs: untaggedDelayOf(registry, collection) }
    return { ...(await countGarbage(registry, { ...collection, ...due })), failedKeys: 0 }
  }
  let report = nothingCollected
  const add = async (more: Partial<GarbageReport>) => {
    const sums = Object.keys(report).map((member) => [
      member,
      report[member as keyof GarbageReport] + (more[member as keyof GarbageReport] ?? 0),
    ])
    report = Object.fromEntries(sums) as unknown as GarbageReport
    await collection.onProgress?.(report)
  }
  await finishDeletions(registry, collection.signal)
  await sweep(registry, collection)
  await untilEmpty(registry, collection, { step: reviewManifests, limit: batchRows.manifests, add: (manifests) => add({ manifests }) })
  await untilEmpty(registry, collection, { step: reviewLinks, limit: batchRows.links, add: (links) => add({ links }) })
  await untilEmpty(registry, collection, { step: reviewBlobs, limit: batchRows.blobs, add: (blobs) => add({ blobs }) })
  let failedKeys = 0
  const onFailed = (key: string, error: unknown) => {
    failedKeys++
    collection.onFailed?.(key, error)
  }
  await deleteDueKeys(registry, { dueBefore: dueBeforeOf(registry, collection), signal: collection.signal, onFreed: add, onFailed })
  return { ...report, failedKeys }
}

/** Untagged manifests that were kept until now are on no queue or wait for their project's days, so who wants them gone has all manifests looked at. */
async function sweep(registry: Registry, collection: GarbageCollection): Promise<void> {
  const reviewAfter = registry.context.ports.clock.now()
  const delayMs = untaggedDelayOf(registry, collection)
  const kinds = [
    ...(collection.deleteUntagged === true ? (['manifest'] as const) : []),
    ...(collection.sweep === true ? (['link', 'blob'] as const) : []),
  ]
  for (const kind of kinds) {
    for (let afterId: number | undefined = 0; afterId !== undefined;) {
      collection.signal.throwIfAborted()
      afterId = await registry.metadata.write(queueSweep, { kind, afterId, limit: batchRows.sweep, reviewAfter, delayMs })
    }
  }
}

interface Step {
  readonly step: typeof reviewBlobs
  readonly limit: number
  readonly add: (removed: number) => Promise<void>
}

/** Goes through all that is due, and again as long as that queued more: the children of an index that went. */
async function untilEmpty(registry: Registry, collection: GarbageCollection, { step, limit, add }: Step): Promise<void> {
  for (let removedInPass = -1; removedInPass !== 0;) {
    removedInPass = 0
    let after: ReviewBatch['after']
    do {
      collection.signal.throwIfAborted()
      const batch: BatchOutcome = await registry.metadata.write(step, { ...batchOf(registry, collection), limit, after })
      removedInPass += batch.removed
      after = batch.last
      if (batch.last !== undefined) await add(batch.removed)
    } while (after !== undefined)
  }
}

function batchOf(registry: Registry, collection: GarbageCollection): Omit<ReviewBatch, 'limit' | 'after'> {
  const { options, context } = registry
  const now = context.ports.clock.now()
  const isPatient = collection.immediately !== true
  return {
    now,
    dueBefore: dueBeforeOf(registry, collection),
    deleteAfter: isPatient ? now + options.readersDelayMs : now,
    safeUntil: isPatient ? now + options.garbageDelayMs : now,
    trashUntil: trashUntil(registry, now),
    deleteUntagged: collection.deleteUntagged === true,
    delayMs: untaggedDelayOf(registry, collection),
    deleteEnabled: options.deleteEnabled,
  }
}
