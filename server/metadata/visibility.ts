/** Who may see which repositories, as data that queries on `repositories` understand; `access` computes it, `http` passes it on. */
import { sql, type RawBuilder, type SelectQueryBuilder, type SqlBool } from 'kysely'
import { globToLike, globToRegex, parseGlob, type RepositoryGlob } from './repository-glob.ts'
import type { Database } from './schema.ts'

/** Globs: see repository-glob.ts. A repository is visible when its project is listed or one of the globs matches its name. */
export type Visibility =
  | { readonly kind: 'everything' }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'some'; readonly projectIds: readonly number[]; readonly repositoryGlobs: readonly string[] }

/**
 * Leaves only the rows whose `repositories` (joined under that name) are visible. The whole condition is in SQL, so pages are full and keyset paging
 * holds; what has a literal beginning uses the index on the name. A thousand globs cost SQLite some 40 ms to plan: `access` gives projects where it can.
 */
export function whereVisible<Tables extends keyof Database, Row>(
  query: SelectQueryBuilder<Database, Tables, Row>,
  visibility: Visibility,
): SelectQueryBuilder<Database, Tables, Row> {
  if (visibility.kind === 'everything') return query
  return query.where(visibility.kind === 'nothing' ? never : anyOf(alternatives(visibility.projectIds, visibility.repositoryGlobs)))
}

const never = sql<SqlBool>`1 = 0`
const name = sql.ref<string>('repositories.name')

function alternatives(projectIds: readonly number[], globs: readonly string[]): RawBuilder<SqlBool>[] {
  const parsed = globs.map(parseGlob).filter((glob) => glob !== undefined)
  const names = parsed.filter(isLiteral).map((glob) => glob.prefix)
  const patterns = parsed.filter((glob) => !isLiteral(glob)).map(globCondition)
  if (projectIds.length > 0) patterns.push(sql<SqlBool>`${sql.ref('repositories.project_id')} in (${sql.join(projectIds)})`)
  if (names.length > 0) patterns.push(sql<SqlBool>`${name} in (${sql.join(names)})`)
  return patterns
}

function isLiteral(glob: RepositoryGlob): boolean {
  return !glob.hasWithinPart && !glob.hasAcrossParts
}

/**
 * Exact on both databases. LIKE alone is, when every wildcard may cross a `/`. When none may, a match has as many slashes as the glob, and each of
 * the glob's takes one, so none is left for a `%`. Only a glob with both kinds needs a function on top (sqlite-open.ts defines it on SQLite, the
 * first migration on PostgreSQL).
 */
function globCondition(glob: RepositoryGlob): RawBuilder<SqlBool> {
  const { prefix, elements, hasWithinPart, hasAcrossParts } = glob
  const conditions: RawBuilder<SqlBool>[] = []
  if (prefix !== '') conditions.push(sql<SqlBool>`${name} >= ${prefix} and ${name} < ${successor(prefix)}`)
  // A range is all there is to say about `prefix**`.
  if (hasWithinPart || elements.length > prefix.length + 1 || prefix === '') {
    conditions.push(sql<SqlBool>`${name} like ${globToLike(glob)} escape '\\'`)
  }
  if (hasWithinPart && hasAcrossParts) conditions.push(sql<SqlBool>`name_matches_glob(${name}, ${elements.join('')}, ${globToRegex(glob)})`)
  else if (hasWithinPart) {
    const slashes = elements.filter((element) => element === '/').length
    conditions.push(sql<SqlBool>`length(${name}) - length(replace(${name}, '/', '')) = ${sql.lit(slashes)}`)
  }
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`
}

/** The first text after all that start with `prefix`. Names are ASCII and compare bytewise. */
function successor(prefix: string): string {
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
