/** The table `scrub_findings`: what is wrong with the store or the rows, as far as scrub has seen. One row for one thing, seen again and again. */
import { sql } from 'kysely'
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import type { ScrubFindingsTable } from './schema-lifecycle.ts'

export type FindingKind = ScrubFindingsTable['kind']

/** Something that is wrong. */
export interface Finding {
  readonly kind: FindingKind
  /** Name of the blob store, or `database`. */
  readonly store: string
  /** The blob's key, the upload's id, or `manifest/12`, `tag/3`. */
  readonly key: string
  readonly digest?: Digest | undefined
  readonly sizeBytes: number
  /** A sentence for people. */
  readonly detail: string
}

/** A {@link Finding} with when it was found first, seen last and gone. */
export interface FindingRow extends Finding {
  readonly id: number
  readonly foundAt: number
  readonly seenAt: number
  readonly resolvedAt: number | null
}

/** Notes what a run that began at `since` sees; gives those that were not known then, or were thought to be gone. */
export async function noteFindings(
  tx: Transactor,
  findings: readonly Finding[],
  when: { readonly now: number; readonly since: number },
): Promise<Finding[]> {
  const fresh: Finding[] = []
  for (const finding of findings) if (await noteFinding(tx, finding, when)) fresh.push(finding)
  return fresh
}

/** Notes one; whether it is news since `since`, whoever noted it first. */
export async function noteFinding(
  tx: Transactor,
  { kind, store, key, digest, sizeBytes, detail }: Finding,
  { now, since }: { readonly now: number; readonly since: number },
): Promise<boolean> {
  // A clock that stepped back must not make what a run has seen look unseen.
  const seenAt = Math.max(now, since)
  const known = await tx
    .selectFrom('scrub_findings')
    .select(['id', 'resolved_at', 'found_at', 'seen_at'])
    .where('store', '=', store)
    .where('key', '=', key)
    .where('kind', '=', kind)
    .executeTakeFirst()
  const facts = { digest: digest === undefined ? null : digestToBytes(digest), size_bytes: sizeBytes, detail }
  if (known === undefined) {
    await tx
      .insertInto('scrub_findings')
      .values({ kind, store, key, ...facts, found_at: now, seen_at: seenAt, resolved_at: null })
      .execute()
    return true
  }
  const isBack = known.resolved_at !== null
  await tx
    .updateTable('scrub_findings')
    .set({ ...facts, seen_at: Math.max(known.seen_at, seenAt), ...(isBack && { found_at: now, resolved_at: null }) })
    .where('id', '=', known.id)
    .execute()
  return isBack || known.found_at >= since
}

/** Marks those of the kinds as gone that no run has seen that began at `seenSince` or later, `limit` at most; says how many. */
export async function resolveUnseen(
  tx: Transactor,
  unseen: { readonly kinds: readonly FindingKind[]; readonly seenSince: number; readonly now: number; readonly limit: number },
): Promise<number> {
  const rows = await tx
    .selectFrom('scrub_findings')
    .select('id')
    .where('resolved_at', 'is', null)
    .where('kind', 'in', [...unseen.kinds])
    .where('seen_at', '<', unseen.seenSince)
    .limit(unseen.limit)
    .execute()
  await resolveFindings(
    tx,
    rows.map(({ id }) => id),
    unseen.now,
  )
  return rows.length
}

/** Marks these as gone. */
export async function resolveFindings(tx: Transactor, ids: readonly number[], now: number): Promise<void> {
  for (const chunk of inChunks(ids)) {
    await tx.updateTable('scrub_findings').set({ resolved_at: now }).where('id', 'in', chunk).where('resolved_at', 'is', null).execute()
  }
}

/** Marks what is known of the bytes at a key as gone. */
export async function resolveFindingsAt(
  tx: Transactor,
  { store, key }: { readonly store: string; readonly key: string },
  now: number,
): Promise<void> {
  await tx
    .updateTable('scrub_findings')
    .set({ resolved_at: now })
    .where('store', '=', store)
    .where('key', '=', key)
    .where('resolved_at', 'is', null)
    .execute()
}

/** Forgets those that are gone since before `before`, `limit` at most; says how many. */
export async function pruneFindings(
  tx: Transactor,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<number> {
  const old = tx.selectFrom('scrub_findings').select('id').where('resolved_at', '<', before).limit(limit)
  const { numDeletedRows } = await tx.deleteFrom('scrub_findings').where('id', 'in', old).executeTakeFirst()
  return Number(numDeletedRows)
}

/** By what a list of findings can be sorted. */
export type FindingSort = 'foundAt'

function selectFindings(reader: Reader | Transactor) {
  return reader
    .selectFrom('scrub_findings')
    .select(['id', 'kind', 'store', 'key', 'digest', 'size_bytes as sizeBytes', 'detail'])
    .select(['found_at as foundAt', 'seen_at as seenAt', 'resolved_at as resolvedAt'])
}

type Row = Awaited<ReturnType<ReturnType<typeof selectFindings>['executeTakeFirstOrThrow']>>

function findingOf({ digest, ...row }: Row): FindingRow {
  return { ...row, digest: digest === null ? undefined : digestFromBytes(digest) }
}

/** A page of those that are there, or of those that are gone. */
export async function listFindings(
  reader: Reader,
  filter: { readonly kind?: FindingKind | undefined; readonly isResolved: boolean },
  page: PageRequest<FindingSort>,
): Promise<Page<FindingRow>> {
  const { kind, isResolved } = filter
  const query = selectFindings(reader)
    .where('resolved_at', isResolved ? 'is not' : 'is', null)
    .$if(kind !== undefined, (next) => next.where('kind', '=', kind ?? 'orphan'))
  const rows = await paged(query, page, { column: 'found_at', id: 'id' }).execute()
  return pageFrom(rows.map(findingOf), page, (row) => row.foundAt)
}

/** How much of a kind there is. */
export interface FindingCount {
  readonly kind: FindingKind
  readonly count: number
  readonly sizeBytes: number
}

/** What is there now, by kind; kinds of which there is nothing are left out. */
export async function countFindings(reader: Reader): Promise<FindingCount[]> {
  const rows = await reader
    .selectFrom('scrub_findings')
    .select('kind')
    .select((eb) => [eb.fn.countAll<number>().as('count'), sql<number>`coalesce(sum(size_bytes), 0)`.as('sizeBytes')])
    .where('resolved_at', 'is', null)
    .groupBy('kind')
    .orderBy('kind')
    .execute()
  return rows.map(({ kind, count, sizeBytes }) => ({ kind, count: Number(count), sizeBytes: Number(sizeBytes) }))
}

/** How many blobs are in quarantine: each is among the findings from when it came there. */
export async function countQuarantined(reader: Reader): Promise<number> {
  const row = await reader
    .selectFrom('scrub_findings as f')
    .innerJoin('blobs as b', (join) => join.onRef('b.store', '=', 'f.store').onRef('b.key', '=', 'f.key'))
    .select((eb) => eb.fn.count<number>('b.id').distinct().as('count'))
    .where('f.resolved_at', 'is', null)
    .where('f.kind', 'in', ['missing', 'damaged'])
    .where('b.state', '=', 'quarantined')
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** Orphans of a store that are there, in order of their ids. */
export async function orphansAfter(
  reader: Reader,
  store: string,
  page: { readonly afterId: number; readonly limit: number },
): Promise<FindingRow[]> {
  const rows = await selectFindings(reader)
    .where('kind', '=', 'orphan')
    .where('resolved_at', 'is', null)
    .where('store', '=', store)
    .where('id', '>', page.afterId)
    .orderBy('id')
    .limit(page.limit)
    .execute()
  return rows.map(findingOf)
}
