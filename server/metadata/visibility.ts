/** Who may see which repositories, as data that queries on `repositories` understand; `access` computes it, `http` passes it on. */
import { sql, type RawBuilder, type SelectQueryBuilder, type SqlBool } from 'kysely'
import { globToLike, globToRegex, parseGlob, type RepositoryGlob } from './repository-glob.ts'
import type { Database } from './schema.ts'

/** Globs: see repository-glob.ts. A repository is visible when one of the alternatives holds of it. */
export type Visibility =
  | { readonly kind: 'everything' }
  | { readonly kind: 'nothing' }
  | {
      readonly kind: 'some'
      /** With the projects below them, which `access` has looked up. */
      readonly projectIds: readonly number[]
      readonly repositoryGlobs: readonly string[]
      /** Globs that count within some projects only. */
      readonly projectGlobs?: readonly { readonly projectIds: readonly number[]; readonly glob: string }[]
      /** What is in a public project. */
      readonly includesPublic: boolean
      /** What the credential allows at most: this must hold as well. */
      readonly within?: Visibility
    }

/**
 * Leaves only the rows whose `repositories` (joined under that name) are visible. The whole condition is in SQL, so pages are full and keyset paging
 * holds; what has a literal beginning uses the index on the name. A thousand globs cost SQLite some 40 ms to plan: `access` gives projects where it can.
 */
export function whereVisible<Tables extends keyof Database, Row>(
  query: SelectQueryBuilder<Database, Tables, Row>,
  visibility: Visibility,
): SelectQueryBuilder<Database, Tables, Row> {
  if (visibility.kind === 'everything') return query
  return query.where(conditionOf(visibility, repositoryAlternatives))
}

/** The same of `projects`: those of which something is said as a whole. A right on repositories by glob shows no project. */
export function whereProjectVisible<Tables extends keyof Database, Row>(
  query: SelectQueryBuilder<Database, Tables, Row>,
  visibility: Visibility,
): SelectQueryBuilder<Database, Tables, Row> {
  if (visibility.kind === 'everything') return query
  return query.where(conditionOf(visibility, projectAlternatives))
}

/**
 * The same of `trash` (joined with `projects`): what was in the projects of which something is said as a whole, and projects in the trash that lay below one.
 */
export function whereTrashVisible<Tables extends keyof Database, Row>(
  query: SelectQueryBuilder<Database, Tables, Row>,
  visibility: Visibility,
): SelectQueryBuilder<Database, Tables, Row> {
  if (visibility.kind === 'everything') return query
  return query.where(conditionOf(visibility, trashAlternatives))
}

type Some = Extract<Visibility, { readonly kind: 'some' }>

/** What {@link whereVisible} asks of `repositories`, by itself. */
export function visibleRepository(visibility: Visibility): RawBuilder<SqlBool> {
  return conditionOf(visibility, repositoryAlternatives)
}

function conditionOf(visibility: Visibility, alternatives: (some: Some) => RawBuilder<SqlBool>[]): RawBuilder<SqlBool> {
  if (visibility.kind === 'everything') return sql<SqlBool>`1 = 1`
  if (visibility.kind === 'nothing') return never
  const own = anyOf(alternatives(visibility))
  return visibility.within === undefined ? own : sql<SqlBool>`(${own} and ${conditionOf(visibility.within, alternatives)})`
}

const never = sql<SqlBool>`1 = 0`
const name = sql.ref<string>('repositories.name')

function repositoryAlternatives(visibility: Some): RawBuilder<SqlBool>[] {
  const { projectIds, repositoryGlobs, projectGlobs = [], includesPublic } = visibility
  const parsed = repositoryGlobs.map(parseGlob).filter((glob) => glob !== undefined)
  const names = parsed.filter(isLiteral).map((glob) => glob.prefix)
  const conditions = parsed.filter((glob) => !isLiteral(glob)).map(globCondition)
  if (projectIds.length > 0) conditions.push(inProjects('repositories.project_id', projectIds))
  if (names.length > 0) conditions.push(sql<SqlBool>`${name} in (${sql.join(names)})`)
  for (const { projectIds: ids, glob: text } of projectGlobs) {
    const glob = parseGlob(text)
    if (glob === undefined || ids.length === 0) continue
    conditions.push(sql<SqlBool>`(${inProjects('repositories.project_id', ids)} and ${globCondition(glob)})`)
  }
  if (includesPublic) conditions.push(isPublic('repositories.project_id'))
  return conditions
}

function projectAlternatives({ projectIds, includesPublic }: Some): RawBuilder<SqlBool>[] {
  const conditions = projectIds.length > 0 ? [inProjects('projects.id', projectIds)] : []
  return includesPublic ? [...conditions, sql<SqlBool>`${sql.ref('projects.is_public')} = 1`] : conditions
}

function trashAlternatives(visibility: Some): RawBuilder<SqlBool>[] {
  const { projectIds } = visibility
  if (projectIds.length === 0) return projectAlternatives(visibility)
  // By what was above it then: whoever gets a project of such a name later has no right on what was deleted before.
  return [...projectAlternatives(visibility), inProjects('trash.parent_id', projectIds)]
}

function inProjects(column: string, ids: readonly number[]): RawBuilder<SqlBool> {
  return sql<SqlBool>`${sql.ref(column)} in (${sql.join(ids)})`
}

function isPublic(column: string): RawBuilder<SqlBool> {
  return sql<SqlBool>`${sql.ref(column)} in (select id from projects where is_public = 1)`
}

/** A glob without wildcards, which its prefix is the whole of. */
export function isLiteral(glob: RepositoryGlob): boolean {
  return !glob.hasWithinPart && !glob.hasAcrossParts
}

function globCondition(glob: RepositoryGlob): RawBuilder<SqlBool> {
  if (isLiteral(glob)) return sql<SqlBool>`${name} = ${glob.prefix}`
  const rest = beyondPrefix(glob)
  if (glob.prefix === '') return rest ?? sql<SqlBool>`1 = 1`
  const range = sql<SqlBool>`${name} >= ${glob.prefix} and ${name} < ${successor(glob.prefix)}`
  return rest === undefined ? sql<SqlBool>`(${range})` : sql<SqlBool>`(${range} and ${rest})`
}

/**
 * What the glob asks of a name that begins with its prefix; undefined: nothing. Exact on both databases. LIKE alone is, when every wildcard may cross
 * a `/`. When none may, a match has as many slashes as the glob, and each of the glob's takes one, so none is left for a `%`. Only a glob with both
 * kinds needs a function on top (sqlite-open.ts defines it on SQLite, the first migration on PostgreSQL).
 */
export function beyondPrefix(glob: RepositoryGlob): RawBuilder<SqlBool> | undefined {
  const { prefix, elements, hasWithinPart, hasAcrossParts } = glob
  // A range is all there is to say about `prefix**`.
  if (isLiteral(glob) || (!hasWithinPart && elements.length === prefix.length + 1)) return undefined
  const like = sql<SqlBool>`${name} like ${globToLike(glob)} escape '\\'`
  if (!hasWithinPart) return like
  if (hasAcrossParts) return sql<SqlBool>`(${like} and name_matches_glob(${name}, ${elements.join('')}, ${globToRegex(glob)}))`
  const slashes = elements.filter((element) => element === '/').length
  return sql<SqlBool>`(${like} and length(${name}) - length(replace(${name}, '/', '')) = ${sql.lit(slashes)})`
}

/** The first text after all that start with `prefix`. Names are ASCII and compare bytewise. */
export function successor(prefix: string): string {
  const last = prefix.length - 1
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1)
}

/** How many conditions stand in one pair of brackets: SQLite refuses expressions more than 1,000 deep. */
const bracketed = 100

function anyOf(conditions: readonly RawBuilder<SqlBool>[]): RawBuilder<SqlBool> {
  if (conditions.length === 0) return never
  if (conditions.length <= bracketed) return sql<SqlBool>`(${sql.join(conditions, sql` or `)})`
  const groups: RawBuilder<SqlBool>[] = []
  for (let start = 0; start < conditions.length; start += bracketed) groups.push(anyOf(conditions.slice(start, start + bracketed)))
  return anyOf(groups)
}
