/**
 * Repositories as the management API shows them: pages of rows, and what is counted of one of them.
 * Which repositories are on a page tells repository-order.ts. What is counted is counted up to a bound: the answer says when there is more.
 */
import { sql, type SqlBool } from 'kysely'
import type { RepositoryName } from '#oci/reference.ts'
import { numberList } from './dialect.ts'
import type { Reader, Transactor } from './metadata.ts'
import { pageFrom, type Page } from './page.ts'
import { firstRepositoryName } from './repositories.ts'
import { nextRepositories, type RepositoryOrder } from './repository-order.ts'
import { later } from './together.ts'
import type { Visibility } from './visibility.ts'

export type { RepositorySort } from './repository-order.ts'
export type { RepositoryFilter } from './visible-parts.ts'

/** A repository. Instants are milliseconds. */
export interface RepositoryRow {
  readonly id: number
  readonly name: RepositoryName
  readonly projectId: number
  readonly description: string
  /** Counts changes of the description. */
  readonly version: number
  readonly createdAt: number
  /** Of the last push, delete or change, to about a minute; when it was made for one that nothing happened to since there is such an instant. */
  readonly updatedAt: number
}

const columns = ['id', 'name', 'project_id', 'description', 'version', 'created_at', 'updated_at'] as const

interface Row {
  readonly id: number
  readonly name: string
  readonly project_id: number
  readonly description: string
  readonly version: number
  readonly created_at: number
  readonly updated_at: number
}

function rowOf(row: Row): RepositoryRow {
  return {
    id: row.id,
    name: row.name as RepositoryName,
    projectId: row.project_id,
    description: row.description,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

/** A page of the repositories that the caller may see, empty ones too. One that something is searched for may be short although there is more. */
export async function listRepositoryPage(reader: Reader, visibility: Visibility, request: RepositoryOrder): Promise<Page<RepositoryRow>> {
  const { page } = request
  if (visibility.kind === 'nothing') return { items: [] }
  const { keys, endedAt } = await nextRepositories(reader, visibility, request)
  const { items: shown, next = endedAt } = pageFrom(keys, page, ({ value }) => value)
  const ids = shown.map(({ id }) => id)
  const query = reader
    .selectFrom('repositories')
    .select(columns)
    .where(sql<SqlBool>`id in ${numberList(reader, ids)}`)
  const rows = new Map((await query.execute()).map((row) => [row.id, rowOf(row)]))
  // One that was deleted since its key was read leaves its place on the page empty.
  const items = shown.flatMap(({ id }) => rows.get(id) ?? []).filter(({ name }) => name >= firstRepositoryName)
  return next === undefined ? { items } : { items, next }
}

/** The repository of that name. */
export async function findRepositoryRow(reader: Reader | Transactor, name: RepositoryName): Promise<RepositoryRow | undefined> {
  const row = await reader.selectFrom('repositories').select(columns).where('name', '=', name).executeTakeFirst()
  return row && rowOf(row)
}

/** A number that was counted up to a bound. */
export interface BoundedCount {
  readonly count: number
  /** False: there are as many or more. */
  readonly isExact: boolean
}

/** How many tags each of the repositories has, each counted up to `bound`. */
export async function countTags(reader: Reader, repositoryIds: readonly number[], bound: number): Promise<Map<number, BoundedCount>> {
  if (repositoryIds.length === 0) return new Map()
  const { rows } = await sql<{ id: number; count: number }>`
    select repositories.id as id,
      (select count(*) from (select 1 from tags where tags.repository_id = repositories.id limit ${sql.lit(bound + 1)}) as counted) as count
    from repositories where repositories.id in (${sql.join(repositoryIds)})`.execute(reader)
  return new Map(rows.map(({ id, count }) => [id, { count: Math.min(Number(count), bound), isExact: Number(count) <= bound }]))
}

/** How many manifests the repository has. */
export async function countManifests(reader: Reader, repositoryId: number, bound: number): Promise<BoundedCount> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from (select 1 from manifests where repository_id = ${repositoryId} limit ${sql.lit(bound + 1)}) as counted`.execute(
    reader,
  )
  const count = Number(rows[0]?.count ?? 0)
  return { count: Math.min(count, bound), isExact: count <= bound }
}

/** Bytes of the repository's blobs, each counted once; `isExact` false: of the first `bound` of them. */
export async function sumBlobBytes(
  reader: Reader,
  repositoryId: number,
  bound: number,
): Promise<{ readonly sizeBytes: number; readonly isExact: boolean }> {
  const { rows } = await sql<{ bytes: number | null; count: number }>`
    select sum(blobs.size_bytes) as bytes, count(*) as count
    from (select blob_id from repository_blobs where repository_id = ${repositoryId} order by blob_id limit ${sql.lit(bound + 1)}) as counted
    inner join blobs on blobs.id = counted.blob_id`.execute(reader)
  return { sizeBytes: Number(rows[0]?.bytes ?? 0), isExact: Number(rows[0]?.count ?? 0) <= bound }
}

/** An `updated_at` younger than this is left as it is, so that a busy repository's pushes do not each write its row. */
const updateIntervalMs = 60_000

/** {@link touchRepository} where it is known what the row says. */
export async function touchPlace(
  tx: Transactor,
  place: { readonly repositoryId: number; readonly updatedAt: number },
  now: number,
): Promise<void> {
  if (place.updatedAt <= now - updateIntervalMs) await later(tx, touchRepository(tx, place.repositoryId, now))
}

/** Notes that something in the repository changed. Called by every transaction that pushes, tags or deletes in it. */
export async function touchRepository(tx: Transactor, repositoryId: number, now: number): Promise<void> {
  await tx
    .updateTable('repositories')
    .set({ updated_at: now })
    .where('id', '=', repositoryId)
    .where('updated_at', '<=', now - updateIntervalMs)
    .execute()
}

/** Sets the description; false when it is that already. */
export async function describeRepositoryRow(
  tx: Transactor,
  change: { readonly repositoryId: number; readonly description: string; readonly now: number },
): Promise<boolean> {
  const result = await tx
    .updateTable('repositories')
    .set({ description: change.description, version: sql<number>`version + 1`, updated_at: change.now })
    .where('id', '=', change.repositoryId)
    .where('description', '<>', change.description)
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}
