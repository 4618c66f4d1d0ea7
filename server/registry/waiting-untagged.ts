/** Manifests that nothing keeps, and that not even a collection of untagged ones takes yet. */
import { contentSizes } from '#metadata/content-size.ts'
import { reviewedManifests } from '#metadata/garbage-review.ts'
import { dueReviews, type ReviewPage } from '#metadata/garbage.ts'
import { breathe } from './count-garbage.ts'
import type { Registry } from './registry.ts'

const pageRows = 500
const rowsMax = 20_000

/** How many there are among the first of the queue, their bytes as if they shared nothing, and when the first of them is looked at again. */
export interface WaitingUntagged {
  readonly manifests: number
  readonly bytes: number
  readonly until: number | undefined
}

/** Reads them in pages, between which others have their turn. */
export async function readWaitingUntagged(registry: Registry): Promise<WaitingUntagged> {
  const { reader } = registry.metadata
  let [manifests, bytes] = [0, 0]
  let until: number | undefined
  const now = registry.context.ports.clock.now()
  const { garbageDelayMs } = registry.options
  // Behind all that are due by now.
  let after: ReviewPage['after'] = { reviewAfter: now, reviewId: Number.MAX_SAFE_INTEGER }
  for (let seen = 0; after !== undefined && seen < rowsMax;) {
    const page: Awaited<ReturnType<typeof dueReviews>> = await dueReviews(reader, 'manifest', {
      dueBefore: Number.MAX_SAFE_INTEGER,
      after,
      limit: pageRows,
    })
    // What waits for its project's days is taken when the delay is over.
    const ends = new Map(
      page.map(({ targetId, reviewAfter, since }) => [targetId, since > 0 ? Math.min(reviewAfter, since + garbageDelayMs) : reviewAfter]),
    )
    const ids = page.map(({ targetId }) => targetId).filter((id) => (ends.get(id) ?? 0) > now)
    const found = (await reviewedManifests(reader, ids)).filter(({ place, isKept }) => place === 'live' && !isKept)
    const sizes = await contentSizes(
      reader,
      found.map(({ manifestId: id, sizeBytes }) => ({ id, sizeBytes })),
    )
    for (const { sizeBytes } of sizes.values()) bytes += sizeBytes
    for (const { manifestId } of found) until = Math.min(until ?? Infinity, ends.get(manifestId) ?? Infinity)
    manifests += found.length
    seen += page.length
    after = page.at(-1)
    await breathe(registry)
  }
  return { manifests, bytes, until }
}
