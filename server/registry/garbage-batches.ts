/** The transactions of garbage collection over rows: each works off a batch of reviews and leaves nothing half done. */
import { recordEvent } from '#events/record.ts'
import {
  condemnBlobs,
  removeLinks,
  reviewedBlobs,
  reviewedLinks,
  reviewedManifests,
  type ReviewedManifest,
} from '#metadata/garbage-review.ts'
import { queueForgotten } from '#metadata/garbage-sweep.ts'
import { deleteReviews, dueReviews, postponeReviews, type DueReview, type ReviewKind, type ReviewPage } from '#metadata/garbage.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { tagNamesOf } from '#metadata/tagged-manifests.ts'
import { transaction } from '#metadata/transaction.ts'
import { parseRepositoryName } from '#oci/reference.ts'
import { tagGuardOf } from '#projects/immutable-tags.ts'
import { removeManifest } from './remove-manifest.ts'

/** A batch of reviews; `dueBefore`: reviews and leases that end until then are over. Instants are milliseconds. */
export interface ReviewBatch extends ReviewPage {
  readonly now: number
  /** Until when the bytes of a blob stay for those who read them. */
  readonly deleteAfter: number
  /** Until when what a manifest held stays for those who were told that it is here. */
  readonly safeUntil: number
  readonly trashUntil: number | undefined
  /** Manifests go whatever their project says of untagged ones. */
  readonly deleteUntagged: boolean
  /** An untagged manifest goes no sooner than that, whatever its project says: a push of several parts may be under way. */
  readonly delayMs: number
  /** Where deletes are switched off, no project lets manifests go. */
  readonly deleteEnabled: boolean
}

/** What a batch did; `last` undefined: nothing was due. */
export interface BatchOutcome {
  readonly removed: number
  readonly last: ReviewPage['after']
}

const dayMs = 24 * 60 * 60 * 1_000

export const queueSweep = transaction(
  import.meta.url,
  'garbage-batches/queue-sweep',
  (tx, input: Parameters<typeof queueForgotten>[2] & { readonly kind: ReviewKind }) => queueForgotten(tx, input.kind, input),
)

interface Judgement {
  readonly review: DueReview
  /** Look again then; undefined: the review is over. */
  readonly until: number | undefined
}

async function settle(tx: Transactor, judgements: readonly Judgement[]): Promise<void> {
  await deleteReviews(
    tx,
    judgements.filter(({ until }) => until === undefined).map(({ review }) => review.reviewId),
  )
  await postponeReviews(
    tx,
    judgements.flatMap(({ review, until }) => (until === undefined ? [] : [{ reviewId: review.reviewId, until }])),
  )
}

function outcomeOf(due: readonly DueReview[], removed: number): BatchOutcome {
  const last = due.at(-1)
  return { removed, last: last && { reviewAfter: last.reviewAfter, reviewId: last.reviewId } }
}

/** Blobs leave the repositories where no manifest came for them, or is left that needs them. */
export const reviewLinks = transaction(import.meta.url, 'garbage-batches/links', async (tx, input: ReviewBatch): Promise<BatchOutcome> => {
  const { due, found } = await dueWith(
    tx,
    'link',
    input,
    async (ids) => new Map((await reviewedLinks(tx, ids)).map((each) => [each.linkId, each])),
  )
  const isOver = ({ isNeeded, leaseUntil }: { isNeeded: boolean; leaseUntil: number }) => !isNeeded && leaseUntil <= input.dueBefore
  const links = [...found.values()]
  await settle(
    tx,
    due.map((review) => {
      const link = found.get(review.targetId)
      return { review, until: link === undefined || link.isNeeded || isOver(link) ? undefined : link.leaseUntil }
    }),
  )
  const gone = links.filter(isOver)
  await removeLinks(tx, gone, input.now)
  return outcomeOf(due, gone.length)
})

/** Blobs that nothing holds lose their rows: from this commit on they are missing for everyone, and a push of them gets a new key. */
export const reviewBlobs = transaction(import.meta.url, 'garbage-batches/blobs', async (tx, input: ReviewBatch): Promise<BatchOutcome> => {
  const { due, found } = await dueWith(
    tx,
    'blob',
    input,
    async (ids) => new Map((await reviewedBlobs(tx, ids)).map((each) => [each.blobId, each])),
  )
  const isOver = ({ isHeld, leaseUntil }: { isHeld: boolean; leaseUntil: number }) => !isHeld && leaseUntil <= input.dueBefore
  await settle(
    tx,
    due.map((review) => {
      const blob = found.get(review.targetId)
      return { review, until: blob === undefined || blob.isHeld || isOver(blob) ? undefined : blob.leaseUntil }
    }),
  )
  const gone = [...found.values()].filter(isOver).map(({ blobId }) => blobId)
  return outcomeOf(due, await condemnBlobs(tx, gone, input.deleteAfter))
})

/** Manifests without a tag go where their project says so, or the collection. */
export const reviewManifests = transaction(
  import.meta.url,
  'garbage-batches/manifests',
  async (tx, input: ReviewBatch): Promise<BatchOutcome> => {
    const due = await dueReviews(tx, 'manifest', input)
    let removed = 0
    // One by one: what goes with one of them changes what keeps the next, and queues it again.
    for (const review of due) {
      const [manifest] = await reviewedManifests(tx, [review.targetId])
      const until = manifest === undefined ? undefined : untilOf(manifest, review, input)
      await settle(tx, [{ review, until: until === 'now' ? undefined : until }])
      if (manifest === undefined || until !== 'now' || (await isImmutable(tx, manifest))) continue
      await removeUntagged(tx, manifest, { ...input, since: sinceOf(review) })
      removed++
    }
    return outcomeOf(due, removed)
  },
)

async function dueWith<Found>(
  tx: Transactor,
  kind: ReviewKind,
  page: ReviewPage,
  find: (ids: readonly number[]) => Promise<ReadonlyMap<number, Found>>,
): Promise<{ readonly due: DueReview[]; readonly found: ReadonlyMap<number, Found> }> {
  const due = await dueReviews(tx, kind, page)
  return { due, found: await find(due.map(({ targetId }) => targetId)) }
}

/** A review that does not know since when counts from its own time. */
function sinceOf({ since, reviewAfter }: DueReview): number {
  return since === 0 ? reviewAfter : since
}

/** Undefined: it stays, and whatever changes that queues it again. */
export function untilOf(
  { place, isKept, untaggedAfterDays }: Pick<ReviewedManifest, 'place' | 'isKept' | 'untaggedAfterDays'>,
  review: DueReview,
  { now, deleteUntagged, delayMs, deleteEnabled }: Pick<ReviewBatch, 'now' | 'deleteUntagged' | 'delayMs' | 'deleteEnabled'>,
): number | 'now' | undefined {
  // Its repository may come back from the trash, and is asked then.
  if (place === 'hidden') return untaggedAfterDays === null ? undefined : now + dayMs
  if (place === 'gone' || isKept) return undefined
  if (deleteUntagged) return 'now'
  if (untaggedAfterDays === null) return undefined
  const until = sinceOf(review) + Math.max(untaggedAfterDays * dayMs, delayMs)
  if (until > now) return until
  return deleteEnabled ? 'now' : now + dayMs
}

/** A signature whose subject is gone may stand under a tag that a rule keeps. */
async function isImmutable(tx: Transactor, { manifestId, repository }: ReviewedManifest): Promise<boolean> {
  const tags = await tagNamesOf(tx, [manifestId])
  const name = parseRepositoryName(repository)
  if (tags.length === 0 || name === undefined) return false
  const guard = await tagGuardOf(tx, { name })
  return tags.some((tag) => guard.ruleOf(tag, 'delete') !== undefined)
}

async function removeUntagged(tx: Transactor, manifest: ReviewedManifest, batch: ReviewBatch & { readonly since: number }): Promise<void> {
  const { now, safeUntil, trashUntil, since } = batch
  const { manifestId, repositoryId, digest } = manifest
  const repository = parseRepositoryName(manifest.repository)
  // Before it leaves, while its repository has its name: to which project the event belongs.
  if (repository !== undefined) {
    const detail = { reason: 'untagged' }
    await recordEvent(tx, { action: 'manifest.deleted', repository, digest, detail, at: now, actor: '', requestId: '' })
  }
  await removeManifest(tx, { manifestId, repositoryId, digest, actor: '', now, safeUntil, since, reason: 'untagged', trashUntil })
}
