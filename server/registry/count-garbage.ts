/** What a collection would take, and what waits, read in pages: between them the event loop serves others. */
import { countDueDeletions } from '#metadata/blob-deletions.ts'
import { blobsWithKey, garbageAmong, keysOfOthers, type GarbageBlob } from '#metadata/garbage-numbers.ts'
import { reviewedLinks, reviewedManifests } from '#metadata/garbage-review.ts'
import { unheldRows, waitingTargets } from '#metadata/garbage-sweep.ts'
import { dueReviews, type ReviewKind, type ReviewPage } from '#metadata/garbage.ts'
import { untilOf } from './garbage-batches.ts'
import type { Registry } from './registry.ts'

const pageRows = 500

/** Rows that could go, by their ids, in pages. */
type Candidates = AsyncGenerator<readonly number[]>

/** Lets others have the event loop: a page takes some milliseconds of it. */
export async function breathe({ context }: Registry, signal?: AbortSignal): Promise<void> {
  await context.ports.timers.sleep(0, signal)
}

/** What the queue holds of a kind, in the order of time, `max` reviews at most. */
export async function* queued(
  registry: Registry,
  kind: ReviewKind,
  { dueBefore, max, signal }: { readonly dueBefore: number; readonly max: number; readonly signal?: AbortSignal | undefined },
): Candidates {
  let after: ReviewPage['after']
  for (let seen = 0; seen < max;) {
    const page = await dueReviews(registry.metadata.reader, kind, { dueBefore, after, limit: Math.min(pageRows, max - seen) })
    const last = page.at(-1)
    if (last === undefined) return
    yield page.map(({ targetId }) => targetId)
    after = last
    seen += page.length
    await breathe(registry, signal)
  }
}

/** What nothing holds, on the queue or not, and no review waits for. */
async function* unheld(
  registry: Registry,
  kind: ReviewKind,
  { dueBefore, delayMs, signal }: Pick<Counting, 'dueBefore' | 'delayMs' | 'signal'>,
): Candidates {
  const { reader } = registry.metadata
  for (let afterId: number | undefined = 0; afterId !== undefined;) {
    const { ids, lastId }: Awaited<ReturnType<typeof unheldRows>> = await unheldRows(reader, kind, { afterId, limit: pageRows })
    const waiting = await waitingTargets(reader, kind, { ids, dueBefore, delayMs })
    yield ids.filter((id) => !waiting.has(id))
    afterId = lastId
    await breathe(registry, signal)
  }
}

interface Counting {
  readonly dueBefore: number
  /** An untagged manifest goes no sooner. */
  readonly delayMs: number
  readonly deleteUntagged?: boolean | undefined
  readonly sweep?: boolean | undefined
  readonly signal: AbortSignal
}

/** As the report of a collection. */
export interface CountedGarbage {
  readonly manifests: number
  readonly links: number
  readonly blobs: number
  readonly keys: number
  readonly freedBytes: number
}

/** What is due now; what would become due by the collection itself (the layers of an untagged manifest) is not counted. */
export async function countGarbage(registry: Registry, counting: Counting): Promise<CountedGarbage> {
  const { dueBefore, sweep, deleteUntagged, signal } = counting
  const candidates = (kind: ReviewKind, isSwept: boolean | undefined) =>
    isSwept === true ? unheld(registry, kind, counting) : queued(registry, kind, { dueBefore, max: Infinity, signal })
  const manifests =
    deleteUntagged === true ? await countUntagged(registry, candidates('manifest', true)) : await countOverdue(registry, counting)
  const { links, blobs: fromLinks } = await countLinks(registry, candidates('link', sweep), dueBefore)
  const found = new Map(fromLinks)
  for await (const ids of candidates('blob', sweep)) await addBlobs(registry, found, { kind: 'blob', ids, dueBefore })
  const blobs = [...found.values()]
  const keys = await keysFreedBy(registry, blobs)
  const deletions = await countDueDeletions(registry.metadata.reader, [...registry.stores.all.keys()], dueBefore)
  const freed = [...keys.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0)
  return { manifests, links, blobs: blobs.length, keys: deletions.keys + keys.size, freedBytes: deletions.sizeBytes + freed }
}

async function countUntagged({ metadata }: Registry, candidates: Candidates): Promise<number> {
  let count = 0
  for await (const ids of candidates)
    count += (await reviewedManifests(metadata.reader, ids)).filter(({ place, isKept }) => place === 'live' && !isKept).length
  return count
}

/** Those whose time their project says is over. */
async function countOverdue(registry: Registry, { dueBefore, delayMs }: Counting): Promise<number> {
  const { reader } = registry.metadata
  const { deleteEnabled } = registry.options
  const judging = { now: registry.context.ports.clock.now(), deleteUntagged: false, delayMs, deleteEnabled }
  let count = 0
  let after: ReviewPage['after']
  for (;;) {
    const page = await dueReviews(reader, 'manifest', { dueBefore, after, limit: pageRows })
    after = page.at(-1)
    if (after === undefined) return count
    const manifests = new Map(
      (
        await reviewedManifests(
          reader,
          page.map(({ targetId }) => targetId),
        )
      ).map((each) => [each.manifestId, each]),
    )
    for (const review of page) {
      const manifest = manifests.get(review.targetId)
      if (manifest !== undefined && untilOf(manifest, review, judging) === 'now') count++
    }
    await breathe(registry)
  }
}

async function countLinks(
  registry: Registry,
  candidates: Candidates,
  dueBefore: number,
): Promise<{ readonly links: number; readonly blobs: ReadonlyMap<number, GarbageBlob> }> {
  const { reader } = registry.metadata
  const blobs = new Map<number, GarbageBlob>()
  let links = 0
  for await (const ids of candidates) {
    links += (await reviewedLinks(reader, ids)).filter(({ isNeeded, leaseUntil }) => !isNeeded && leaseUntil <= dueBefore).length
    await addBlobs(registry, blobs, { kind: 'link', ids, dueBefore })
  }
  return { links, blobs }
}

async function addBlobs(
  { metadata }: Registry,
  found: Map<number, GarbageBlob>,
  page: { readonly kind: 'link' | 'blob'; readonly ids: readonly number[]; readonly dueBefore: number },
): Promise<void> {
  const reviews = page.ids.map((targetId) => ({ targetId }))
  for (const blob of await garbageAmong(metadata.reader, page.kind, reviews))
    if (blob.leaseUntil <= page.dueBefore) found.set(blob.blobId, blob)
}

/** The keys that go with these blobs, each once, with their bytes: a blob that stays may have the key of one that goes. */
export async function keysFreedBy(registry: Registry, blobs: readonly GarbageBlob[]): Promise<ReadonlyMap<string, number>> {
  const keys = new Map<string, number>()
  /** With their stores. */
  const others = new Map<string, string>()
  for (let start = 0; start < blobs.length; start += pageRows) {
    const page = blobs.slice(start, start + pageRows)
    const shared = await keysOfOthers(registry.metadata.reader, page)
    for (const { store, key, sizeBytes } of page) {
      keys.set(key, sizeBytes)
      if (shared.has(key)) others.set(key, store)
    }
    await breathe(registry)
  }
  const ids = new Set(blobs.map(({ blobId }) => blobId))
  // Few keys have two rows.
  for (const [key, store] of others) {
    const rows = await blobsWithKey(registry.metadata.reader, store, key)
    if (!rows.every((id) => ids.has(id))) keys.delete(key)
  }
  return keys
}
