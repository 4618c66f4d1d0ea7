/**
 * Repositories as the management API shows them: pages of rows, and what is counted of one of them.
 *
 * Each order has an index that holds all that the filters look at, so that even a filter which nothing fits reads a hundred thousand short entries and no
 * row: 9 ms at most. What is counted is counted up to a bound: the answer says when there is more.
 */
import { sql, type RawBuilder, type SelectQueryBuilder, type SqlBool } from 'kysely'
import type { RepositoryName } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import { firstRepositoryName } from './repositories.ts'
import type { Database } from './schema.ts'
import { whereVisible, type Visibility } from './visibility.ts'

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

/** By what a list of repositories can be sorted. */
export type RepositorySort = 'name' | 'updatedAt'

/** What a list of repositories is narrowed to. */
export interface RepositoryFilter {
  /** Beginning of the name. */
  readonly namePrefix?: string | undefined
  /** Anywhere in the name. */
  readonly nameHas?: string | undefined
  readonly projectId?: number | undefined
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

const sortColumns = { name: 'repositories.name', updatedAt: 'repositories.updated_at' } as const

/** A page of the repositories that the caller may see, empty ones too. */
export async function listRepositoryPage(
  reader: Reader,
  visibility: Visibility,
  request: { readonly filter: RepositoryFilter; readonly page: PageRequest<RepositorySort> },
): Promise<Page<RepositoryRow>> {
  const { filter, page } = request
  if (visibility.kind === 'nothing') return { items: [] }
  const few = visibility.kind === 'some' ? await fewVisible(reader, visibility, filter) : undefined
  const query = (page.column === 'name' || few !== undefined ? reader.selectFrom('repositories') : inOrder(reader))
    .select(['repositories.id', 'repositories.name', 'repositories.project_id', 'repositories.created_at', 'repositories.updated_at'])
    .select(['repositories.description', 'repositories.version'])
  const judged =
    few === undefined
      ? whereVisible(narrowed(query, filter).where('repositories.name', '>=', firstRepositoryName), visibility)
      : query.where('repositories.id', 'in', few.length > 0 ? few : [0])
  const rows = await paged(judged, page, { column: sortColumns[page.column], id: 'repositories.id' }).execute()
  return pageFrom(rows.map(rowOf), page, (row) => row[page.column])
}

function narrowed<Row>(query: SelectQueryBuilder<Database, 'repositories', Row>, filter: RepositoryFilter): typeof query {
  return query
    .$if(filter.namePrefix !== undefined, (next) => next.where(nameBegins(filter.namePrefix ?? '')))
    .$if(filter.nameHas !== undefined, (next) => next.where(nameHas(filter.nameHas ?? '')))
    .$if(filter.projectId !== undefined, (next) => next.where('repositories.project_id', '=', filter.projectId ?? 0)) as typeof query
}

/** Of more a page is full after a small part of all has been read in its order. */
const fewRepositories = 500

/**
 * All that the caller may see and the filter wants, if it is few. Read in the order of a page, those who see little would have every repository
 * judged, row by row; in any order that is asked of indexes alone.
 */
async function fewVisible(reader: Reader, visibility: Visibility, filter: RepositoryFilter): Promise<number[] | undefined> {
  // No range of the index of names, for which each row would have to be read: a longer index has all that is asked about.
  const isRepository = sql<SqlBool>`repositories.name || '' >= ${firstRepositoryName}`
  const query = narrowed(reader.selectFrom('repositories').select('repositories.id').where(isRepository), filter)
  const rows = await whereVisible(query, visibility)
    .limit(fewRepositories + 1)
    .execute()
  return rows.length > fewRepositories ? undefined : rows.map(({ id }) => id)
}

/**
 * Repositories to be read in the order of their last change and judged one by one: gathered by project or by name and then sorted, a list of somebody
 * with many projects takes four times as long. A column with a sign in front is none that an index is considered for.
 */
function inOrder(reader: Reader) {
  const repositories = reader
    .selectFrom('repositories')
    .select([
      'id',
      'description',
      'version',
      'created_at',
      'updated_at',
      sql<number>`+project_id`.as('project_id'),
      sql<string>`name || ''`.as('name'),
    ])
  return reader.selectFrom(repositories.as('repositories')) as unknown as ReturnType<Reader['selectFrom']> as SelectQueryBuilder<
    Database,
    'repositories',
    Record<never, never>
  >
}

/** A range over the index. Names are ASCII and compare bytewise; `~` sorts after all that a name can have. */
function nameBegins(prefix: string): RawBuilder<SqlBool> {
  return sql<SqlBool>`(repositories.name >= ${prefix} and repositories.name < ${`${prefix}~`})`
}

function nameHas(part: string): RawBuilder<SqlBool> {
  // What no name can have needs no look, and a NUL would end the pattern.
  if (!/^[a-z0-9._/-]*$/.test(part)) return sql<SqlBool>`1 = 0`
  return sql<SqlBool>`repositories.name like ${`%${part.replaceAll('_', '\\_')}%`} escape '\\'`
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
      (select count(*) from (select 1 from tags where tags.repository_id = repositories.id limit ${sql.lit(bound + 1)}) as some) as count
    from repositories where repositories.id in (${sql.join(repositoryIds)})`.execute(reader)
  return new Map(rows.map(({ id, count }) => [id, { count: Math.min(Number(count), bound), isExact: Number(count) <= bound }]))
}

/** How many manifests the repository has. */
export async function countManifests(reader: Reader, repositoryId: number, bound: number): Promise<BoundedCount> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from (select 1 from manifests where repository_id = ${repositoryId} limit ${sql.lit(bound + 1)}) as some`.execute(
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
    from (select blob_id from repository_blobs where repository_id = ${repositoryId} order by blob_id limit ${sql.lit(bound + 1)}) as some
    inner join blobs on blobs.id = some.blob_id`.execute(reader)
  return { sizeBytes: Number(rows[0]?.bytes ?? 0), isExact: Number(rows[0]?.count ?? 0) <= bound }
}

/** An `updated_at` younger than this is left as it is, so that a busy repository's pushes do not each write its row. */
const updateIntervalMs = 60_000

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
