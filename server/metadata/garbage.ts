/** The table `garbage_reviews`: what lost a reference, or never had one, and when to look at it. */
import type { ExpressionBuilder } from 'kysely'
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'
import type { Database, ManifestsTable } from './schema.ts'

/** The table that a review's `target_id` is an id of: `blobs` or `manifests`. */
export type ReviewKind = 'blob' | 'manifest'

/** Has garbage collection look at the row then (a review that waits already moves to that time). */
export async function review(tx: Transactor, kind: ReviewKind, targetId: number, reviewAfter: number): Promise<void> {
  await tx
    .insertInto('garbage_reviews')
    .values({ kind, target_id: targetId, review_after: reviewAfter })
    .onConflict((conflict) => conflict.columns(['kind', 'target_id']).doUpdateSet({ review_after: reviewAfter }))
    .execute()
}

/**
 * Before a manifest goes: what only it may have held is reviewed, and its blobs are safe until then, for a HEAD just now may have told a client
 * that it need not upload them. In a few statements, whatever the number of references.
 */
export async function releaseManifest(
  tx: Transactor,
  manifest: { readonly manifestId: number; readonly repositoryId: number; readonly digest: Digest; readonly safeUntil: number },
): Promise<void> {
  const { manifestId, safeUntil } = manifest
  await tx
    .updateTable('blobs')
    .set({ lease_until: safeUntil })
    .where('id', 'in', (eb) => eb.selectFrom('manifest_blobs').select('blob_id').where('manifest_id', '=', manifestId))
    .where('lease_until', '<', safeUntil)
    .execute()
  await tx
    .insertInto('garbage_reviews')
    .columns(['kind', 'target_id', 'review_after'])
    .expression((eb) =>
      eb
        .selectFrom('manifest_blobs')
        .select((of) => [of.val('blob' as ReviewKind).as('kind'), 'blob_id', of.val(safeUntil).as('review_after')])
        .where('manifest_id', '=', manifestId),
    )
    .onConflict((conflict) => conflict.columns(['kind', 'target_id']).doUpdateSet({ review_after: safeUntil }))
    .execute()
  await releaseManifests(tx, manifest)
  await tx.deleteFrom('garbage_reviews').where('kind', '=', 'manifest').where('target_id', '=', manifestId).execute()
}

/** Children that it lists, and manifests whose subject it is. */
async function releaseManifests(
  tx: Transactor,
  manifest: { readonly manifestId: number; readonly repositoryId: number; readonly digest: Digest; readonly safeUntil: number },
): Promise<void> {
  await tx
    .insertInto('garbage_reviews')
    .columns(['kind', 'target_id', 'review_after'])
    .expression((eb) =>
      eb
        .selectFrom('manifest_children as mc')
        .innerJoin('manifests as m', 'm.digest', 'mc.child_digest')
        .select((of) => [of.val('manifest' as ReviewKind).as('kind'), 'm.id', of.val(manifest.safeUntil).as('review_after')])
        .where('mc.manifest_id', '=', manifest.manifestId)
        .where('m.repository_id', '=', manifest.repositoryId),
    )
    .onConflict((conflict) => conflict.columns(['kind', 'target_id']).doUpdateSet({ review_after: manifest.safeUntil }))
    .execute()
  await tx
    .insertInto('garbage_reviews')
    .columns(['kind', 'target_id', 'review_after'])
    .expression((eb) =>
      eb
        .selectFrom('manifests as m')
        .select((of) => [of.val('manifest' as ReviewKind).as('kind'), 'm.id', of.val(manifest.safeUntil).as('review_after')])
        .where('m.repository_id', '=', manifest.repositoryId)
        .where('m.subject_digest', '=', digestToBytes(manifest.digest)),
    )
    .onConflict((conflict) => conflict.columns(['kind', 'target_id']).doUpdateSet({ review_after: manifest.safeUntil }))
    .execute()
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
}

/** Reviews that are due, those that wait longest first. */
export async function dueReviews(reader: Reader | Transactor, kind: ReviewKind, now: number, limit: number): Promise<DueReview[]> {
  return reader
    .selectFrom('garbage_reviews')
    .select(['id as reviewId', 'target_id as targetId'])
    .where('kind', '=', kind)
    .where('review_after', '<=', now)
    .orderBy('review_after')
    .limit(limit)
    .execute()
}

/** Takes reviews off the queue, whatever they came to. Unknown ids are fine. */
export async function deleteReviews(tx: Transactor, reviewIds: readonly number[]): Promise<void> {
  for (const chunk of inChunks(reviewIds)) await tx.deleteFrom('garbage_reviews').where('id', 'in', chunk).execute()
}

/** A blob under review: what is needed to judge it. */
export interface ReviewedBlob {
  readonly blobId: number
  readonly sizeBytes: number
  readonly store: string
  readonly key: string
  readonly leaseUntil: number
  readonly referenced: boolean
}

/** The blobs of these ids that are still there. */
export async function reviewedBlobs(reader: Reader | Transactor, blobIds: readonly number[]): Promise<ReviewedBlob[]> {
  const blobs: ReviewedBlob[] = []
  for (const chunk of inChunks(blobIds)) {
    const rows = await reader
      .selectFrom('blobs as b')
      .select(['b.id as blobId', 'b.size_bytes as sizeBytes', 'b.store', 'b.key', 'b.lease_until as leaseUntil'])
      .select((eb) => eb.exists(eb.selectFrom('manifest_blobs as mb').select('mb.id').whereRef('mb.blob_id', '=', 'b.id')).as('referenced'))
      .where('b.id', 'in', chunk)
      .execute()
    for (const row of rows) blobs.push({ ...row, referenced: Boolean(row.referenced) })
  }
  return blobs
}

/** A manifest under review. */
export interface ReviewedManifest {
  readonly manifestId: number
  readonly repositoryId: number
  readonly repository: string
  readonly digest: Digest
  readonly sizeBytes: number
  /** A tag points at it, an index that is here lists it, or it has a subject that is here. */
  readonly kept: boolean
}

function isKept(eb: ExpressionBuilder<Database & { m: ManifestsTable }, 'm'>) {
  return eb.or([
    eb.exists(eb.selectFrom('tags as t').select('t.id').whereRef('t.manifest_id', '=', 'm.id')),
    eb.exists(
      eb
        .selectFrom('manifest_children as mc')
        .innerJoin('manifests as p', 'p.id', 'mc.manifest_id')
        .select('mc.id')
        .whereRef('mc.child_digest', '=', 'm.digest')
        .whereRef('p.repository_id', '=', 'm.repository_id'),
    ),
    eb.exists(
      eb
        .selectFrom('manifests as s')
        .select('s.id')
        .whereRef('s.repository_id', '=', 'm.repository_id')
        .whereRef('s.digest', '=', 'm.subject_digest'),
    ),
  ])
}

/** The manifests of these ids that are still there. */
export async function reviewedManifests(reader: Reader | Transactor, manifestIds: readonly number[]): Promise<ReviewedManifest[]> {
  const manifests: ReviewedManifest[] = []
  for (const chunk of inChunks(manifestIds)) {
    const rows = await reader
      .selectFrom('manifests as m')
      .innerJoin('repositories as r', 'r.id', 'm.repository_id')
      .select(['m.id', 'm.repository_id', 'm.digest', 'm.size_bytes', 'r.name'])
      .select((eb) => isKept(eb).as('kept'))
      .where('m.id', 'in', chunk)
      .execute()
    for (const row of rows) {
      const place = { manifestId: row.id, repositoryId: row.repository_id, repository: row.name }
      manifests.push({ ...place, digest: digestFromBytes(row.digest), sizeBytes: row.size_bytes, kept: Boolean(row.kept) })
    }
  }
  return manifests
}

/** Queues what nothing references and nobody queued (rows of an import, or of a crash between two worlds); gives the last id it looked at. */
export async function queueForgotten(
  tx: Transactor,
  kind: ReviewKind,
  page: { readonly afterId: number; readonly limit: number; readonly reviewAfter: number },
): Promise<number | undefined> {
  const rows =
    kind === 'blob'
      ? await tx
          .selectFrom('blobs')
          .select('id')
          .select((eb) =>
            eb.exists(eb.selectFrom('manifest_blobs as mb').select('mb.id').whereRef('mb.blob_id', '=', 'blobs.id')).as('held'),
          )
          .where('id', '>', page.afterId)
          .orderBy('id')
          .limit(page.limit)
          .execute()
      : await tx
          .selectFrom('manifests')
          .select('id')
          .select((eb) => eb.exists(eb.selectFrom('tags as t').select('t.id').whereRef('t.manifest_id', '=', 'manifests.id')).as('held'))
          .where('id', '>', page.afterId)
          .orderBy('id')
          .limit(page.limit)
          .execute()
  const forgotten = rows.filter((row) => !row.held)
  for (const chunk of inChunks(forgotten)) {
    await tx
      .insertInto('garbage_reviews')
      .values(chunk.map((row) => ({ kind, target_id: row.id, review_after: page.reviewAfter })))
      .onConflict((conflict) => conflict.columns(['kind', 'target_id']).doNothing())
      .execute()
  }
  return rows.at(-1)?.id
}

/** How much a collection would find now: blobs whose review is due and that neither a manifest nor a lease holds. */
export async function countUnreferencedBlobs(
  reader: Reader,
  dueBefore: number,
): Promise<{ readonly blobs: number; readonly sizeBytes: number }> {
  const row = await reader
    .selectFrom('garbage_reviews as g')
    .innerJoin('blobs as b', 'b.id', 'g.target_id')
    .select((eb) => [eb.fn.countAll<number>().as('blobs'), eb.fn.coalesce(eb.fn.sum<number>('b.size_bytes'), eb.lit(0)).as('sizeBytes')])
    .where('g.kind', '=', 'blob')
    .where('g.review_after', '<=', dueBefore)
    .where('b.lease_until', '<=', dueBefore)
    .where((eb) => eb.not(eb.exists(eb.selectFrom('manifest_blobs as mb').select('mb.id').whereRef('mb.blob_id', '=', 'b.id'))))
    .executeTakeFirstOrThrow()
  return { blobs: Number(row.blobs), sizeBytes: Number(row.sizeBytes) }
}

/** Manifests whose review is due and that nothing keeps. */
export async function countUnkeptManifests(reader: Reader, dueBefore: number): Promise<number> {
  const row = await reader
    .selectFrom('garbage_reviews as g')
    .innerJoin('manifests as m', 'm.id', 'g.target_id')
    .select((eb) => eb.fn.countAll<number>().as('manifests'))
    .where('g.kind', '=', 'manifest')
    .where('g.review_after', '<=', dueBefore)
    .where((eb) => eb.not(isKept(eb as unknown as ExpressionBuilder<Database & { m: ManifestsTable }, 'm'>)))
    .executeTakeFirstOrThrow()
  return Number(row.manifests)
}
