/**
 * Which repositories come next in a list, told by indexes.
 *
 * The problem: somebody who sees little of a hundred thousand repositories, or whose many globs and projects each lead to a few, must not have every
 * row judged. The way: visible-parts.ts takes apart what is visible, and each part is a range of an index. By name, the parts are read like sorted
 * heaps: first those whose next name comes first, until no other can have a name before the last that was found. By time, what all parts lead to is
 * gathered and sorted if it is little; if it is much, the index of that order fills a page soon. Only what no index answers (a text within the name, a glob
 * that begins with a wildcard) is looked for name by name, so many at a time and no more: then a page may be short.
 */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import { numberList, unindexed } from './dialect.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader } from './metadata.ts'
import { paged, type PageAfter, type PageRequest } from './page.ts'
import {
  common,
  nameContains,
  nameEndsWith,
  visibleParts,
  type NamedPart,
  type NameRange,
  type RepositoryFilter,
  type VisibleParts,
} from './visible-parts.ts'
import { visibleRepository, type Visibility } from './visibility.ts'

/** By what a list of repositories can be sorted. */
export type RepositorySort = 'name' | 'updatedAt'

/** What is asked for. */
export interface RepositoryOrder {
  readonly filter: RepositoryFilter
  readonly page: PageRequest<RepositorySort>
  /** The usual ones, unless a test says otherwise. */
  readonly bounds?: SearchBounds | undefined
}

/** Where a repository stands in the order. */
export interface RepositoryKey {
  readonly id: number
  readonly value: string | number
}

/** What comes next in order, one more than the page has if there are more; of a search that ended at its bound, where it ended. */
export interface NextRepositories {
  readonly keys: readonly RepositoryKey[]
  readonly endedAt?: PageAfter | undefined
}

type Visible = Exclude<Visibility, { readonly kind: 'nothing' }>

/** What one page may cost. */
export interface SearchBounds {
  /** More than so many are not gathered and sorted: a page is full after a small part of all has been read in its order. */
  readonly few: number
  /** More parts than so many, with something to look for in each, are asked together before they are asked in order. */
  readonly parts: number
  /** How many names are looked at where no index leads to those that fit. */
  readonly names: number
  /** How often such names are compared with a pattern. */
  readonly comparisons: number
}

/** Each some 10 ms of one shared core at most. */
const usualBounds: SearchBounds = { few: 3_000, parts: 64, names: 110_000, comparisons: 150_000 }

/** The repositories of the next page. */
export async function nextRepositories(reader: Reader, visibility: Visible, order: RepositoryOrder): Promise<NextRepositories> {
  const parts = visibleParts(visibility, order.filter)
  const endedAt = parts.patterns === 0 ? undefined : await endOfSearch(reader, parts, order)
  const bounded = endedAt === undefined ? parts : { ...parts, range: endedRange(parts.range, endedAt, order.page) }
  const keys =
    order.page.column === 'name'
      ? await nextByName(reader, bounded, order)
      : await nextByTime(reader, { visibility, parts, endedAt }, order)
  return keys.length > order.page.limit ? { keys } : { keys, endedAt }
}

/** The next names, however many must be looked at, of which the condition on `repositories` holds too. */
export async function nextVisibleNames(
  reader: Reader,
  visibility: Visible,
  { last, limit, also }: { readonly last: string | undefined; readonly limit: number; readonly also: RawBuilder<SqlBool> },
): Promise<readonly string[]> {
  const after = last === undefined ? undefined : { value: last, id: 0 }
  const order: RepositoryOrder = { filter: {}, page: { column: 'name', isDescending: false, limit: limit - 1, after } }
  const keys = await nextByName(reader, { ...visibleParts(visibility, {}), also }, order)
  return keys.map(({ value }) => String(value))
}

/** Where a search must end that would look at too many names; undefined where there are not so many. */
async function endOfSearch(
  reader: Reader,
  { patterns, range, onlyProjectId }: VisibleParts,
  { page, bounds = usualBounds }: RepositoryOrder,
): Promise<PageAfter | undefined> {
  const bound = Math.max(1, Math.min(bounds.names, Math.floor(bounds.comparisons / patterns)))
  const last = await reader.selectFrom('repositories').select('id').orderBy('id', 'desc').limit(1).executeTakeFirst()
  if (last === undefined || last.id <= bound) return undefined
  const column = page.column === 'name' ? 'name' : 'updated_at'
  const query = reader
    .selectFrom('repositories')
    .select(['id', `${column} as value`])
    .$if(column === 'name', (next) => next.where(inRange(range)))
    .$if(column === 'name' && onlyProjectId !== undefined, (next) => next.where('project_id', '=', onlyProjectId ?? 0))
  return await paged(query, { ...page, limit: 0 }, { column, id: 'id' })
    .offset(bound - 1)
    .executeTakeFirst()
}

function endedRange(range: NameRange, { value }: PageAfter, { column, isDescending }: PageRequest<RepositorySort>): NameRange {
  if (column !== 'name') return range
  const name = String(value)
  return isDescending ? common(range, { ...range, from: name }) : common(range, { ...range, before: `${name} ` })
}

function inRange({ from, before }: NameRange): RawBuilder<SqlBool> {
  return sql<SqlBool>`repositories.name >= ${from} and repositories.name < ${before}`
}

/* By name */

/** A part, and the first name that it can have. */
interface Head {
  readonly name: string
  readonly part: NamedPart
}

interface Named {
  readonly id: number
  readonly name: string
}

async function nextByName(
  reader: Reader,
  whole: VisibleParts,
  { page, bounds = usualBounds }: RepositoryOrder,
): Promise<readonly RepositoryKey[]> {
  const parts = { ...whole, range: rangeAfter(whole.range, page) }
  if (parts.range.from >= parts.range.before) return []
  const few = isScattered(parts, bounds) ? await fewIn(reader, parts, bounds) : undefined
  return few === undefined ? await mergedByName(reader, parts, page) : await firstOf(reader, few, { ...page, after: undefined })
}

function rangeAfter(range: NameRange, { after, isDescending }: PageRequest<RepositorySort>): NameRange {
  if (after === undefined) return range
  const last = String(after.value)
  return common(range, isDescending ? { ...range, before: last } : { ...range, from: `${last} ` })
}

async function mergedByName(reader: Reader, parts: VisibleParts, page: PageRequest<RepositorySort>): Promise<readonly RepositoryKey[]> {
  const { isDescending, limit } = page
  const isBefore = (one: string, other: string) => (isDescending ? one > other : one < other)
  const inOrder = (one: { name: string }, other: { name: string }) => (isBefore(one.name, other.name) ? -1 : 1)
  const heads = [...(await projectHeads(reader, parts, isDescending)), ...namedHeads(parts, isDescending)].toSorted(inOrder)
  const found = new Map<number, Named>()
  let nearest: Named[] = []
  for (let [begin, count] = [0, 4]; begin < heads.length; [begin, count] = [begin + count, Math.min(64, 4 * count)]) {
    const batch = heads.slice(begin, begin + count).map(({ part }) => part)
    for (const row of await namesIn(reader, batch, { whole: parts, isDescending, limit: limit + 1 })) found.set(row.id, row)
    nearest = [...found.values()].toSorted(inOrder).slice(0, limit + 1)
    const [farthest, next] = [nearest[limit], heads[begin + count]]
    if (farthest !== undefined && next !== undefined && !isBefore(next.name, farthest.name)) break
  }
  return nearest.map(({ id, name }) => ({ id, value: name }))
}

/** Whether there may be many parts with nothing in them that fits, so that to ask one after the other takes long. */
function isScattered({ rest, projectIds, named }: VisibleParts, bounds: SearchBounds): boolean {
  const parts = named.reduce((sum, part) => sum + (part.projectIds?.length ?? 1), projectIds.length)
  return parts > bounds.parts && (rest !== undefined || named.some((part) => part.projectIds !== undefined))
}

function namedHeads(parts: VisibleParts, isDescending: boolean): Head[] {
  return namedIn(parts).flatMap((part) => {
    const name = isDescending ? part.range.before : part.range.from
    return (part.projectIds?.map((id) => ({ ...part, projectIds: [id] })) ?? [part]).map((one) => ({ name, part: one }))
  })
}

/** The parts by name, each in the range of all. */
function namedIn({ range, named }: VisibleParts): NamedPart[] {
  return named.map((part) => ({ ...part, range: common(part.range, range) })).filter((part) => part.range.from < part.range.before)
}

/** The first repository in the range of each project that has one there. */
async function projectHeads(reader: Reader, parts: VisibleParts, isDescending: boolean): Promise<Head[]> {
  const { projectIds, includesPublic, onlyProjectId, range } = parts
  if (projectIds.length === 0 && !includesPublic) return []
  const isPublic = includesPublic ? sql`or projects.is_public = 1` : sql``
  const isWanted = onlyProjectId === undefined ? sql`` : sql`and projects.id = ${onlyProjectId}`
  const { rows } = await sql<{ id: number; name: string | null }>`
    select projects.id as id, (select repositories.name from repositories where repositories.project_id = projects.id and ${inRange(range)}
      order by repositories.name ${direction(isDescending)} limit 1) as name
    from projects where (projects.id in ${numberList(reader, projectIds)} ${isPublic}) ${isWanted}`.execute(reader)
  return rows.flatMap(({ id, name }) => (name === null ? [] : [{ name, part: { range, projectIds: [id] } }]))
}

/** The first of the names that are in the parts. */
async function namesIn(
  reader: Reader,
  parts: readonly NamedPart[],
  { whole, isDescending, limit }: { readonly whole: VisibleParts; readonly isDescending: boolean; readonly limit: number },
): Promise<readonly Named[]> {
  const order = sql`order by name ${direction(isDescending)} limit ${limit}`
  const terms = parts.map((part) => {
    const first = sql`select repositories.id, repositories.name from repositories where ${isIn(reader, part, whole)} ${order}`
    return sql`select id, name from (${first}) as part`
  })
  const { rows } = await sql<Named>`select id, name from (${sql.join(terms, sql` union `)}) as next ${order}`.execute(reader)
  return rows
}

function direction(isDescending: boolean): RawBuilder<unknown> {
  return isDescending ? sql`desc` : sql`asc`
}

function isIn(reader: Reader, { range, projectIds, rest: own }: NamedPart, { rest, also }: VisibleParts): RawBuilder<SqlBool> {
  const rests = [own, rest, also].filter((condition) => condition !== undefined)
  return sql<SqlBool>`${sql.join([...inProjects(reader, projectIds), inRange(range), ...rests], sql` and `)}`
}

function inProjects(reader: Reader, ids: readonly number[] | undefined): RawBuilder<SqlBool>[] {
  if (ids === undefined) return []
  // Of one, the index has the names in order.
  return [
    ids.length === 1
      ? sql<SqlBool>`repositories.project_id = ${ids[0]}`
      : sql<SqlBool>`repositories.project_id in ${numberList(reader, ids)}`,
  ]
}

/* By time */

async function nextByTime(
  reader: Reader,
  { visibility, parts, endedAt }: { readonly visibility: Visible; readonly parts: VisibleParts; readonly endedAt: PageAfter | undefined },
  { filter, page, bounds = usualBounds }: RepositoryOrder,
): Promise<readonly RepositoryKey[]> {
  const few = endedAt === undefined ? await fewIn(reader, parts, bounds) : undefined
  if (few !== undefined) return await firstOf(reader, few, page)
  const end =
    endedAt &&
    sql<SqlBool>`(repositories.updated_at, repositories.id) ${page.isDescending ? sql`>=` : sql`<=`} (${endedAt.value}, ${endedAt.id})`
  const { projectId } = filter
  const query = withoutIndexes(reader)
    .select(['repositories.id', 'repositories.updated_at as value'])
    .where(inRange(parts.range))
    .$if(projectId !== undefined, (next) => next.where('repositories.project_id', '=', projectId ?? 0))
    .$if(filter.nameHas !== undefined, (next) => next.where(nameContains(filter.nameHas ?? '')))
    .$if(filter.nameEnd !== undefined, (next) => next.where(nameEndsWith(filter.nameEnd ?? '')))
    .where(visibleRepository(visibility))
    .$if(end !== undefined, (next) => next.where(end ?? sql<SqlBool>`1 = 1`))
  return await paged(query, page, { column: 'repositories.updated_at', id: 'repositories.id' }).execute()
}

/**
 * Repositories to be read in the order of their last change and judged one by one: gathered by project or by name and then sorted, a list of somebody
 * with many projects takes four times as long.
 */
function withoutIndexes(reader: Reader) {
  const repositories = reader
    .selectFrom('repositories')
    .select(['id', 'updated_at', unindexed<number>(reader, 'project_id').as('project_id'), unindexed<string>(reader, 'name').as('name')])
  return reader.selectFrom(repositories.as('repositories'))
}

/** All that is in the parts, if it is little. */
async function fewIn(reader: Reader, parts: VisibleParts, { few }: SearchBounds): Promise<readonly number[] | undefined> {
  const ids = new Set<number>()
  for (const terms of inChunks([...projectTerms(reader, parts), ...namedTerms(reader, parts)])) {
    const limited = terms.map((term) => sql`select id from (${term} limit ${few + 1}) as part`)
    const all = sql<{ id: number }>`select id from (${sql.join(limited, sql` union all `)}) as few limit ${few + 1}`
    const { rows } = await all.execute(reader)
    for (const { id } of rows) ids.add(id)
    if (rows.length > few || ids.size > few) return undefined
  }
  return [...ids]
}

function projectTerms(
  reader: Reader,
  { projectIds, includesPublic, onlyProjectId, range, rest, also }: VisibleParts,
): RawBuilder<unknown>[] {
  const conditions = sql.join([inRange(range), ...[rest, also].filter((condition) => condition !== undefined)], sql` and `)
  const term = (ids: RawBuilder<unknown>) =>
    sql`select repositories.id from repositories where repositories.project_id in ${ids} and ${conditions}`
  const only = onlyProjectId === undefined ? sql`` : sql`and id = ${onlyProjectId}`
  return [
    ...(projectIds.length > 0 ? [term(numberList(reader, projectIds))] : []),
    ...(includesPublic ? [term(sql`(select id from projects where is_public = 1 ${only})`)] : []),
  ]
}

function namedTerms(reader: Reader, parts: VisibleParts): RawBuilder<unknown>[] {
  return namedIn(parts).map((part) => sql`select repositories.id from repositories where ${isIn(reader, part, parts)}`)
}

/** The first of the given repositories. */
async function firstOf(reader: Reader, ids: readonly number[], page: PageRequest<RepositorySort>): Promise<readonly RepositoryKey[]> {
  const column = page.column === 'name' ? 'repositories.name' : 'repositories.updated_at'
  const given = reader
    .selectFrom('repositories')
    .select(['repositories.id', unindexed<string | number>(reader, column).as('value')])
    .where(sql<SqlBool>`repositories.id in ${numberList(reader, ids)}`)
  const query = reader.selectFrom(given.as('given')).selectAll()
  return await paged(query, page, { column: 'given.value', id: 'given.id' }).execute()
}
