/** A {@link Visibility} and a filter taken apart into ranges of indexes, for lists that read no more than they show. */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import { firstRepositoryName } from './repositories.ts'
import { parseGlob, type RepositoryGlob } from './repository-glob.ts'
import { beyondPrefix, isLiteral, successor, visibleRepository, type Visibility } from './visibility.ts'

/** What a list of repositories is narrowed to. */
export interface RepositoryFilter {
  /** Beginning of the name. */
  readonly namePrefix?: string | undefined
  /** Anywhere in the name. */
  readonly nameHas?: string | undefined
  /** What it ends with. */
  readonly nameEnd?: string | undefined
  readonly projectId?: number | undefined
}

/** Names from the one (included) to the other (not). */
export interface NameRange {
  readonly from: string
  readonly before: string
}

/** Repositories by name: those in the range (of the projects, where some are said) of which the rest holds too. */
export interface NamedPart {
  readonly range: NameRange
  readonly projectIds?: readonly number[] | undefined
  readonly rest?: RawBuilder<SqlBool> | undefined
}

/** Whole projects, and parts by name; of all of them what lies in `range` and `rest` holds of. A repository may be in several. */
export interface VisibleParts {
  readonly range: NameRange
  readonly projectIds: readonly number[]
  readonly includesPublic: boolean
  /** Alone this project counts. */
  readonly onlyProjectId: number | undefined
  readonly named: readonly NamedPart[]
  readonly rest: RawBuilder<SqlBool> | undefined
  /** What else must hold, and does of most. */
  readonly also?: RawBuilder<SqlBool> | undefined
  /** How often a name is compared with a pattern where no index leads to the names that fit. */
  readonly patterns: number
}

/** Takes apart what is visible and wanted. */
export function visibleParts(visibility: Visible, { namePrefix, nameHas, nameEnd, projectId }: RepositoryFilter): VisibleParts {
  const { driver, bound } = driverOf(visibility)
  const range = namePrefix === undefined ? allNames : common(allNames, { from: namePrefix, before: `${namePrefix}${afterAll}` })
  const conditions = [
    ...(nameHas === undefined ? [] : [nameContains(nameHas)]),
    ...(nameEnd === undefined ? [] : [nameEndsWith(nameEnd)]),
    ...(bound === undefined ? [] : [visibleRepository(bound)]),
  ]
  const shared = {
    range,
    onlyProjectId: projectId,
    rest: conditions.length === 0 ? undefined : sql<SqlBool>`(${sql.join(conditions, sql` and `)})`,
  }
  const patterns = conditions.length + (bound === undefined ? 0 : globsOf(bound).length)
  return driver.kind === 'everything' ? partsOfAll(shared, patterns) : partsOfSome(driver, shared, patterns)
}

type Visible = Exclude<Visibility, { readonly kind: 'nothing' }>
type Some = Extract<Visibility, { readonly kind: 'some' }>
type Shared = Pick<VisibleParts, 'range' | 'onlyProjectId' | 'rest'>

function partsOfAll(shared: Shared, patterns: number): VisibleParts {
  const { range, onlyProjectId } = shared
  if (onlyProjectId !== undefined) return { ...shared, projectIds: [onlyProjectId], named: [], includesPublic: false, patterns: 0 }
  return { ...shared, projectIds: [], named: [{ range }], includesPublic: false, patterns }
}

function partsOfSome(visibility: Some, shared: Shared, patterns: number): VisibleParts {
  const { range, onlyProjectId } = shared
  const { includesPublic } = visibility
  const isWanted = (id: number) => onlyProjectId === undefined || id === onlyProjectId
  const projectIds = [...new Set(visibility.projectIds)].filter(isWanted)
  const named = namedParts(visibility, isWanted, { range, projectIds: onlyProjectId === undefined ? undefined : [onlyProjectId] })
  const wide = visibility.repositoryGlobs.map(parseGlob).filter((glob) => glob?.prefix === '').length
  // A search of a few projects reads their names alone.
  const isWide = wide > 0 || (onlyProjectId === undefined && (includesPublic || projectIds.length > manyProjects))
  return { ...shared, projectIds, includesPublic, named, patterns: isWide ? wide + patterns : 0 }
}

/** In more than so many, a search reads a large part of all names. */
const manyProjects = 50

/** Names are ASCII and compare bytewise; this sorts after all that one can have. */
const afterAll = '~'
const allNames: NameRange = { from: firstRepositoryName, before: afterAll }

/** Of two conditions that must both hold, the one that leads to fewer repositories is read by, and the other judges what it leads to. */
function driverOf(visibility: Exclude<Visibility, { kind: 'nothing' }>): {
  driver: Exclude<Visibility, { kind: 'nothing' }>
  bound?: Visibility
} {
  if (visibility.kind === 'everything' || visibility.within === undefined) return { driver: visibility }
  const { within, ...own } = visibility
  if (within.kind !== 'some' || widthOf(own) <= widthOf(within)) return { driver: own, bound: within }
  return { driver: within, bound: within.within === undefined ? own : { ...own, within: within.within } }
}

const widthOfAll = 100_000

function widthOf(visibility: Some): number {
  const { projectIds, repositoryGlobs, projectGlobs = [], includesPublic } = visibility
  const globs = repositoryGlobs.map(parseGlob).filter((glob) => glob !== undefined)
  const wide = globs.some(({ prefix }) => prefix === '') ? widthOfAll : globs.length
  return wide + projectIds.length + projectGlobs.reduce((sum, { projectIds: ids }) => sum + ids.length, 0) + (includesPublic ? 100 : 0)
}

function globsOf(visibility: Visibility): readonly string[] {
  return visibility.kind === 'some' ? [...visibility.repositoryGlobs, ...(visibility.within ? globsOf(visibility.within) : [])] : []
}

/** Of the globs, those without a beginning together: they are one look at each name. */
function namedParts(
  { repositoryGlobs, projectGlobs = [] }: Some,
  isWanted: (projectId: number) => boolean,
  wanted: NamedPart,
): NamedPart[] {
  const globs = [...new Set(repositoryGlobs)].map(parseGlob).filter((glob) => glob !== undefined)
  const parts = globs.filter(({ prefix }) => prefix !== '').map((glob) => partOf(glob, wanted))
  const wide = globs.filter(({ prefix }) => prefix === '').map((glob) => beyondPrefix(glob))
  if (wide.length > 0)
    parts.push({ ...wanted, rest: wide.includes(undefined) ? undefined : anyOf(wide.filter((rest) => rest !== undefined)) })
  for (const { projectIds, glob: text } of projectGlobs) {
    const [glob, ids] = [parseGlob(text), projectIds.filter(isWanted)]
    if (glob !== undefined && ids.length > 0) parts.push(partOf(glob, { ...wanted, projectIds: ids }))
  }
  return parts.filter(({ range: { from, before } }) => from < before)
}

function partOf(glob: RepositoryGlob, wanted: NamedPart): NamedPart {
  const { prefix } = glob
  if (prefix === '') return { ...wanted, rest: beyondPrefix(glob) }
  // A space sorts before all that a name can have: nothing else lies between a name and it.
  const range = { from: prefix, before: isLiteral(glob) ? `${prefix} ` : successor(prefix) }
  return { ...wanted, range: common(range, wanted.range), rest: beyondPrefix(glob) }
}

/** What is in both ranges; empty where `from` is not before `before`. */
export function common(one: NameRange, other: NameRange): NameRange {
  return { from: one.from > other.from ? one.from : other.from, before: one.before < other.before ? one.before : other.before }
}

/** SQLite refuses expressions more than 1,000 deep. */
function anyOf(conditions: readonly RawBuilder<SqlBool>[]): RawBuilder<SqlBool> {
  if (conditions.length <= 100) return sql<SqlBool>`(${sql.join(conditions, sql` or `)})`
  const middle = conditions.length >> 1
  return sql<SqlBool>`(${anyOf(conditions.slice(0, middle))} or ${anyOf(conditions.slice(middle))})`
}

/** Whether the text is anywhere in the name: of a repository, unless another column is said. */
export function nameContains(part: string, column = 'repositories.name'): RawBuilder<SqlBool> {
  return nameLike(column, part, (escaped) => `%${escaped}%`)
}

/** Whether the name ends with the text. */
export function nameEndsWith(end: string): RawBuilder<SqlBool> {
  return nameLike('repositories.name', end, (escaped) => `%${escaped}`)
}

function nameLike(column: string, text: string, patternOf: (escaped: string) => string): RawBuilder<SqlBool> {
  // What no name can have needs no look, and a NUL would end the pattern.
  if (!/^[a-z0-9._/-]*$/.test(text)) return sql<SqlBool>`1 = 0`
  return sql<SqlBool>`${sql.ref(column)} like ${patternOf(text.replaceAll('_', '\\_'))} escape '\\'`
}
