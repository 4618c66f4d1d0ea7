/** The numbers of garbage collection, for people and metrics. Their cost follows the queue, and ends at a bound, beyond which they say that they are not exact. */
import { garbageAmong, queueLength, sumPage, type GarbageBlob, type Summed } from '#metadata/garbage-numbers.ts'
import type { ReviewKind } from '#metadata/garbage.ts'
import { listJobs, type JobRecord } from '#metadata/jobs.ts'
import { breathe, keysFreedBy, queued } from './count-garbage.ts'
import { garbageJobName } from './collect-garbage-job.ts'
import { readFreedBytes, type FreedBytes } from './garbage-keys.ts'
import type { Registry } from './registry.ts'

/** Rows that are looked at for one number. */
const rowsMax = 20_000
const pageRows = 1_000

interface Counted {
  readonly count: number
  readonly bytes: number
}

/** How things are. Sizes in bytes. */
export interface GarbageStatus {
  /** False: there is more than was counted. */
  readonly isExact: boolean
  /** Reviews that wait, by kind. */
  readonly queue: Readonly<Record<ReviewKind, number>>
  /** For how long the review that is due longest has waited, in seconds; 0: none is due. */
  readonly oldestDueSeconds: number
  /**
   * What the next collection takes: blobs that no manifest needs, and bytes that nobody reads any more; and these with all such blobs, once nobody can rely on
   * them any more.
   */
  readonly reclaimable: { readonly now: Counted; readonly later: Counted }
  /** Blobs that are gone for everyone, and whose bytes stay for those who are reading them. */
  readonly leaving: Counted
  /** What was deleted and can be restored, as if nothing were shared. */
  readonly trash: Counted
  /** All that was freed since the database was made. */
  readonly freed: FreedBytes
  /** The collection that began last; undefined: none that is remembered. */
  readonly lastRun: JobRecord | undefined
}

/** Reads all of it. */
export async function readGarbageStatus(registry: Registry): Promise<GarbageStatus> {
  const { reader } = registry.metadata
  const now = registry.context.ports.clock.now()
  const [manifest, link, blob] = [
    await queueLength(reader, 'manifest', rowsMax),
    await queueLength(reader, 'link', rowsMax),
    await queueLength(reader, 'blob', rowsMax),
  ]
  const due = await sumUp(registry, 'due keys', now)
  const reclaimable = await readReclaimable(registry, now)
  const leaving = await sumUp(registry, 'waiting keys', now)
  const trash = await sumUp(registry, 'trash', now)
  const firstAt = Math.min(...[manifest, link, blob].map(({ firstAt: at }) => at ?? Infinity))
  const isExact = [manifest, link, blob, due, leaving, trash].every(({ count }) => count <= rowsMax)
  return {
    isExact,
    queue: { manifest: Math.min(manifest.count, rowsMax), link: Math.min(link.count, rowsMax), blob: Math.min(blob.count, rowsMax) },
    oldestDueSeconds: Math.max(0, Number.isFinite(firstAt) ? (now - firstAt) / 1_000 : 0),
    reclaimable: { now: together(reclaimable.now, due), later: together(reclaimable.later, due) },
    leaving,
    trash,
    freed: await readFreedBytes(reader),
    lastRun: await readLastRun(registry),
  }
}

function together(one: Counted, other: Counted): Counted {
  return { count: one.count + other.count, bytes: one.bytes + other.bytes }
}

async function readReclaimable(registry: Registry, now: number): Promise<GarbageStatus['reclaimable']> {
  const due = await garbageUntil(registry, now)
  const later = await garbageUntil(registry, Number.MAX_SAFE_INTEGER)
  return {
    now: await bytesOf(
      registry,
      due.filter(({ leaseUntil }) => leaseUntil <= now),
    ),
    later: await bytesOf(registry, later),
  }
}

/** Blobs that no manifest needs, under the reviews that are due until then. */
async function garbageUntil(registry: Registry, dueBefore: number): Promise<readonly GarbageBlob[]> {
  const found = new Map<number, GarbageBlob>()
  for (const kind of ['link', 'blob'] as const) {
    for await (const ids of queued(registry, kind, { dueBefore, max: rowsMax })) {
      const reviews = ids.map((targetId) => ({ targetId }))
      for (const blob of await garbageAmong(registry.metadata.reader, kind, reviews)) found.set(blob.blobId, blob)
    }
  }
  return [...found.values()]
}

async function bytesOf(registry: Registry, blobs: readonly GarbageBlob[]): Promise<Counted> {
  const keys = await keysFreedBy(registry, blobs)
  return { count: blobs.length, bytes: [...keys.values()].reduce((sum, bytes) => sum + bytes, 0) }
}

async function sumUp(registry: Registry, what: Summed, now: number): Promise<Counted> {
  const stores = [...registry.stores.all.keys()]
  let [count, bytes] = [0, 0]
  for (let afterId: number | undefined = 0; afterId !== undefined && count <= rowsMax;) {
    const page: Awaited<ReturnType<typeof sumPage>> = await sumPage(registry.metadata.reader, what, {
      afterId,
      limit: pageRows,
      now,
      stores,
    })
    count += page.count
    bytes += page.sizeBytes
    afterId = page.lastId
    await breathe(registry)
  }
  return { count, bytes }
}

async function readLastRun({ metadata }: Registry): Promise<JobRecord | undefined> {
  const newest = { limit: 1, column: 'createdAt', isDescending: true } as const
  return (await listJobs(metadata.reader, { kind: garbageJobName }, newest)).items[0]
}
