/** Looking through whole tables for what is garbage and was never queued: an import's rows. Only where somebody asks for it; everything else follows the queue. */
import { sql, type RawBuilder } from 'kysely'
import { numberList } from './dialect.ts'
import { untaggedAfterMsIn } from './project-untagged.ts'
import { isHeld, isPlainlyKept } from './garbage-review.ts'
import type { ReviewKind } from './garbage.ts'
import type { Reader, Transactor } from './metadata.ts'

const needed = sql`exists (select 1 from manifest_blobs mb where mb.blob_id = x.blob_id and mb.repository_id = x.repository_id)`

/** The rows of a kind, as `x`, and what of them is held. What is hidden is not looked at: it has its own time. */
const sources: Readonly<Record<ReviewKind, { readonly from: RawBuilder<unknown>; readonly held: RawBuilder<unknown> }>> = {
  link: { from: sql`repository_blobs x`, held: needed },
  blob: { from: sql`(select b.id, ${isHeld} as held from blobs b) x`, held: sql`x.held` },
  manifest: {
    from: sql`(select m.id, (r.name < '0' or ${isPlainlyKept}) as held from manifests m join repositories r on r.id = m.repository_id) x`,
    held: sql`x.held`,
  },
}

/** A page of a sweep: rows in the order of their ids. */
export interface SweepPage {
  readonly afterId: number
  readonly limit: number
}

/** Of the next rows, those that nothing holds; `lastId` undefined: there were none any more. */
export async function unheldRows(
  reader: Reader | Transactor,
  kind: ReviewKind,
  { afterId, limit }: SweepPage,
): Promise<{ readonly ids: number[]; readonly lastId: number | undefined }> {
  const { from, held } = sources[kind]
  const { rows } = await sql<{ id: number; held: number | boolean }>`
    select x.id, ${held} as held from ${from} where x.id > ${afterId} order by x.id limit ${limit}`.execute(reader)
  return { ids: rows.filter((row) => !row.held).map(({ id }) => id), lastId: rows.at(-1)?.id }
}

/**
 * Queues what nothing holds and nobody queued; gives the last id that it looked at, undefined at the end. Untagged manifests whose project has them wait
 * longer than that delay are moved to when it is over: who asks for all of them does not wait for their project's days.
 */
export async function queueForgotten(
  tx: Transactor,
  kind: ReviewKind,
  page: SweepPage & { readonly reviewAfter: number; readonly delayMs: number },
): Promise<number | undefined> {
  const { ids, lastId } = await unheldRows(tx, kind, page)
  if (ids.length > 0) {
    const moved =
      kind === 'manifest'
        ? sql`do update set review_after = ${delayOver(page.delayMs)} where ${isPostponed(page.delayMs)}`
        : sql`do nothing`
    await sql`insert into garbage_reviews (kind, target_id, review_after, since)
      select ${kind}, listed.value, ${page.reviewAfter}, 0 from ${numberList(tx, ids)} as listed where true
      on conflict (kind, target_id) ${moved}`.execute(tx)
  }
  return lastId
}

const delayOver = (delayMs: number) => sql<number>`garbage_reviews.since + ${delayMs}`
/** A review that does not know since when waits for what it says. */
const isPostponed = (delayMs: number) => sql<boolean>`(garbage_reviews.since > 0 and ${delayOver(delayMs)} < garbage_reviews.review_after)`

/** Of these rows, those that wait for a later review, a push may still rely on them; of manifests those that {@link queueForgotten} leaves waiting. */
export async function waitingTargets(
  reader: Reader,
  kind: ReviewKind,
  { ids, dueBefore, delayMs }: { readonly ids: readonly number[]; readonly dueBefore: number; readonly delayMs: number },
): Promise<ReadonlySet<number>> {
  const isTaken = kind === 'manifest' ? sql`(${isPostponed(delayMs)} and ${delayOver(delayMs)} <= ${dueBefore})` : sql`(1 = 0)`
  const { rows } = await sql<{ target_id: number }>`
    select target_id from garbage_reviews where kind = ${kind} and target_id in ${numberList(reader, ids)} and review_after > ${dueBefore}
      and not ${isTaken}`.execute(reader)
  return new Set(rows.map(({ target_id }) => target_id))
}

/** A page of manifests that may be untagged. */
export interface UntaggedPage {
  readonly projectId: number
  readonly after: UntaggedCursor
  readonly limit: number
  /** From when those count that wait for no review yet. */
  readonly since: number
  /** Nothing goes sooner after that, whatever the project says. */
  readonly delayMs: number
}

/**
 * Queues manifests of a project that nothing keeps, for when their time is over. Those that wait already keep since when, and are moved to when that time
 * is over, sooner or later. `after`: repository and manifest of the last page.
 */
export async function queueUntagged(tx: Transactor, page: UntaggedPage): Promise<UntaggedCursor | undefined> {
  const { projectId, after, limit, since, delayMs } = page
  const project = await tx.selectFrom('projects').select('settings').where('id', '=', projectId).executeTakeFirst()
  const afterMs = project && untaggedAfterMsIn(project.settings)
  // It is gone, or keeps such manifests by now.
  if (afterMs === undefined) return undefined
  const waitMs = Math.max(afterMs, delayMs)
  const { rows } = await sql<{ id: number; repository_id: number; name: string; held: number | boolean }>`
    select m.id, m.repository_id, ${isPlainlyKept} as held from manifests m
      where m.repository_id = ${after.repositoryId} and m.id > ${after.manifestId} order by m.id limit ${limit}`.execute(tx)
  const ids = rows.filter((row) => !row.held).map(({ id }) => id)
  if (ids.length > 0) {
    await sql`insert into garbage_reviews (kind, target_id, review_after, since)
      select 'manifest', listed.value, ${since + waitMs}, ${since} from ${numberList(tx, ids)} as listed where true
      on conflict (kind, target_id) do update set review_after = ${knownSince} + ${waitMs}, since = ${knownSince}`.execute(tx)
  }
  const last = rows.at(-1)
  if (last !== undefined) return { repositoryId: last.repository_id, manifestId: last.id }
  // Twins hold what has a time of its own in the trash, and what is being emptied goes anyway.
  const next = await tx
    .selectFrom('repositories')
    .select('id')
    .where('project_id', '=', projectId)
    .where('id', '>', after.repositoryId)
    .where('trash_of', 'is', null)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return next && { repositoryId: next.id, manifestId: 0 }
}

/** A review that does not know since when counts from its own time. */
const knownSince = sql`case when garbage_reviews.since = 0 then garbage_reviews.review_after else garbage_reviews.since end`

/** Where {@link queueUntagged} is. */
export interface UntaggedCursor {
  readonly repositoryId: number
  readonly manifestId: number
}
