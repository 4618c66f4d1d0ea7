/**
 * The table `garbage_reviews`: what lost what kept it, or never had it, and when to look at it.
 *
 * A `link` is a blob of a repository that no manifest there needs; a `blob` has no link and no manifest anywhere; a `manifest` has no tag. Whatever takes
 * something away queues here, in the same transaction, what it may have held. How a review is judged is garbage-review.ts.
 */
import { sql } from 'kysely'
import { digestToBytes, type Digest } from '#oci/digest.ts'
import { tagPrefixOf } from '#oci/subject-of-tag.ts'
import { numberList } from './dialect.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import { later } from './together.ts'
import type { GarbageReviewsTable } from './schema.ts'
import { afterWait } from './write-wait.ts'

/** The table that a review's `target_id` is an id of: `blobs`, `manifests` or `repository_blobs`. */
export type ReviewKind = GarbageReviewsTable['kind']

/** Has garbage collection look at the row then (a review that waits already moves to that time). */
export async function review(tx: Transactor, kind: ReviewKind, targetId: number, reviewAfter: number): Promise<void> {
  await tx
    .insertInto('garbage_reviews')
    .values({ kind, target_id: targetId, review_after: reviewAfter })
    .onConflict((conflict) => conflict.columns(['kind', 'target_id']).doUpdateSet({ review_after: reviewAfter }))
    .execute()
}

/** When a manifest lost what kept it, and when to look at it. */
export interface Untagging {
  readonly since: number
  readonly reviewAfter: number
}

/** The same for a manifest that lost a tag or was pushed without one: what is untagged for long goes where a project says so. Both times count from the commit. */
export async function reviewManifest(tx: Transactor, manifestId: number, untagging: Untagging): Promise<void> {
  const [since, reviewAfter] = [afterWait(tx, untagging.since), afterWait(tx, untagging.reviewAfter)]
  const queue = tx
    .insertInto('garbage_reviews')
    .values({ kind: 'manifest', target_id: manifestId, review_after: reviewAfter, since })
    .onConflict((conflict) => conflict.columns(['kind', 'target_id']).doUpdateSet({ review_after: reviewAfter, since: laterSince }))
  await later(tx, queue.execute())
}

/** Of two times at which something lost what kept it, the later one counts: in between it had another. */
const laterSince = sql<number>`case when excluded.since > garbage_reviews.since then excluded.since else garbage_reviews.since end`

const queueLink = prepare<{ repositoryId: number; blobId: number; reviewAfter: number }, object>((db, param) =>
  db
    .insertInto('garbage_reviews')
    .columns(['kind', 'target_id', 'review_after'])
    .expression((eb) =>
      eb
        .selectFrom('repository_blobs')
        .select([sql.lit<ReviewKind>('link').as('kind'), 'id', eb.cast<number>(eb.val(param('reviewAfter')), 'bigint').as('review_after')])
        .where('repository_id', '=', param('repositoryId'))
        .where('blob_id', '=', param('blobId')),
    )
    .onConflict((conflict) => conflict.columns(['kind', 'target_id']).doUpdateSet({ review_after: sql<number>`excluded.review_after` })),
)

/** Has garbage collection look then, counted from the commit, whether a manifest of the repository came for the blob. */
export async function reviewLink(
  tx: Transactor,
  link: { readonly repositoryId: number; readonly blobId: number; readonly reviewAfter: number },
): Promise<void> {
  await later(tx, queueLink(tx, { ...link, reviewAfter: afterWait(tx, link.reviewAfter) }))
}

/** A manifest that goes, and until when what it held is safe. */
export interface Release {
  readonly manifestId: number
  readonly repositoryId: number
  readonly digest: Digest
  readonly now: number
  readonly safeUntil: number
  /** It was untagged since then, and so was all that only it kept. */
  readonly since?: number | undefined
}

/**
 * Before a manifest goes: what only it may have held is reviewed, and its blobs are safe until then, for a HEAD just now may have told a client
 * that it need not upload them; so that counts from the commit. In a few statements, whatever the number of references.
 */
export async function releaseManifest(tx: Transactor, manifest: Release): Promise<void> {
  const { manifestId, repositoryId } = manifest
  const safeUntil = afterWait(tx, manifest.safeUntil)
  await tx
    .updateTable('blobs')
    .set({ lease_until: safeUntil })
    .where('id', 'in', (eb) => eb.selectFrom('manifest_blobs').select('blob_id').where('manifest_id', '=', manifestId))
    .where('lease_until', '<', safeUntil)
    .execute()
  await sql`insert into garbage_reviews (kind, target_id, review_after)
    select 'link', rb.id, ${safeUntil} from manifest_blobs mb
      join repository_blobs rb on rb.blob_id = mb.blob_id and rb.repository_id = ${repositoryId} where mb.manifest_id = ${manifestId}
    on conflict (kind, target_id) do update set review_after = excluded.review_after`.execute(tx)
  // Of what the trash held there is no link any more; where there is one, the blob's turn comes after it.
  await sql`insert into garbage_reviews (kind, target_id, review_after)
    select 'blob', mb.blob_id, ${safeUntil} from manifest_blobs mb where mb.manifest_id = ${manifestId} and not exists (
      select 1 from repository_blobs rb where rb.blob_id = mb.blob_id and rb.repository_id = ${repositoryId})
    on conflict (kind, target_id) do update set review_after = excluded.review_after`.execute(tx)
  await releaseManifests(tx, manifest)
  await tx.deleteFrom('garbage_reviews').where('kind', '=', 'manifest').where('target_id', '=', manifestId).execute()
}

/** Children that it lists, manifests whose subject it is, and those under tags made of its digest. */
async function releaseManifests(tx: Transactor, manifest: Release): Promise<void> {
  const { manifestId, repositoryId, digest, now } = manifest
  const since = manifest.since ?? afterWait(tx, now)
  // What was untagged with it has waited with it.
  const reviewAfter = manifest.since === undefined ? afterWait(tx, manifest.safeUntil) : now
  const bytes = digestToBytes(digest)
  const prefix = tagPrefixOf(digest)
  const held = [
    sql`from manifest_children mc join manifests m on m.digest = mc.child_digest and m.repository_id = ${repositoryId}
      where mc.manifest_id = ${manifestId}`,
    sql`from manifests m where m.repository_id = ${repositoryId} and m.subject_digest = ${bytes}`,
    // Tags are in the live repository, whether this one was there or in its trash.
    sql`from tags t join manifests m on m.id = t.manifest_id
      where t.repository_id = (select coalesce(r.trash_of, r.id) from repositories r where r.id = ${repositoryId})
        and t.name >= ${prefix} and t.name < ${`${prefix}/`}`,
  ]
  for (const which of held) {
    await sql`insert into garbage_reviews (kind, target_id, review_after, since)
      select distinct 'manifest', m.id, ${reviewAfter}, ${since} ${which}
      on conflict (kind, target_id) do update set review_after = excluded.review_after, since = ${laterSince}`.execute(tx)
  }
}

/** Takes blobs out of a repository that no manifest needs them in any more, and queues them; gives how many there were. */
export async function releaseLinks(
  tx: Transactor,
  repositoryId: number,
  batch: { readonly limit: number; readonly reviewAfter: number },
): Promise<number> {
  const links = await tx
    .selectFrom('repository_blobs')
    .select(['id', 'blob_id'])
    .where('repository_id', '=', repositoryId)
    .limit(batch.limit)
    .execute()
  for (const chunk of inChunks(links)) {
    await tx
      .insertInto('garbage_reviews')
      .values(chunk.map((link) => ({ kind: 'blob' as const, target_id: link.blob_id, review_after: batch.reviewAfter })))
      // One that waits already looks again when the lease is over.
      .onConflict((conflict) => conflict.columns(['kind', 'target_id']).doNothing())
      .execute()
    await tx
      .deleteFrom('repository_blobs')
      .where(
        'id',
        'in',
        chunk.map(({ id }) => id),
      )
      .execute()
  }
  return links.length
}

/** A review whose time has come. */
export interface DueReview {
  readonly reviewId: number
  readonly targetId: number
  readonly reviewAfter: number
  readonly since: number
}

/** Which reviews: those of a kind that are due, after the one of that time and id, as many. */
export interface ReviewPage {
  readonly dueBefore: number
  readonly after?: { readonly reviewAfter: number; readonly reviewId: number } | undefined
  readonly limit: number
}

/** Reviews that are due, those that wait longest first. */
export async function dueReviews(reader: Reader | Transactor, kind: ReviewKind, page: ReviewPage): Promise<DueReview[]> {
  const { after } = page
  return reader
    .selectFrom('garbage_reviews')
    .select(['id as reviewId', 'target_id as targetId', 'review_after as reviewAfter', 'since'])
    .where('kind', '=', kind)
    .where('review_after', '<=', page.dueBefore)
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(review_after, id) > (${after?.reviewAfter ?? 0}, ${after?.reviewId ?? 0})`),
    )
    .orderBy('review_after')
    .orderBy('id')
    .limit(page.limit)
    .execute()
}

/** Takes reviews off the queue, whatever they came to. Unknown ids are fine. */
export async function deleteReviews(tx: Transactor, reviewIds: readonly number[]): Promise<void> {
  if (reviewIds.length > 0) await sql`delete from garbage_reviews where id in ${numberList(tx, reviewIds)}`.execute(tx)
}

/** Has the reviews wait until then; since when they wait stays. */
export async function postponeReviews(
  tx: Transactor,
  reviews: readonly { readonly reviewId: number; readonly until: number }[],
): Promise<void> {
  const byTime = Map.groupBy(reviews, ({ until }) => until)
  for (const [until, each] of byTime) {
    const ids = numberList(
      tx,
      each.map(({ reviewId }) => reviewId),
    )
    // One that does not know since when counts from the time that it had, not from each new one.
    await sql`update garbage_reviews set review_after = ${until}, since = case when since = 0 then review_after else since end
      where id in ${ids}`.execute(tx)
  }
}
