/**
 * Whether somebody holds all of something that they would give away: nobody grants more than they have.
 *
 * decide.ts asks about one place at one time. Giving asks about a whole range of places (everything, a project with all below it, a glob) for as long as
 * the grant lasts, so a right counts only if it spans that range and does not end sooner. What is public counts for nothing: it may be private tomorrow.
 */
import type { Permission } from '#api/permissions.ts'
import { parseGlob } from '#metadata/repository-glob.ts'
import type { Right, Rights } from './decide.ts'

/** Where and until when a grant gives its role. */
export interface GrantedRange {
  /** The project's id and those above it; undefined without a project. */
  readonly lineage: readonly number[] | undefined
  /** Glob of repositories; null: all. */
  readonly repositories: string | null
  /** Milliseconds since the epoch; null: without end. */
  readonly expiresAt: number | null
}

/** The first of the permissions that the rights do not give throughout the range; undefined when they give all. */
export function firstNotHeld(
  rights: Rights,
  permissions: readonly Permission[],
  range: GrantedRange,
  nowMs: number,
): Permission | undefined {
  return permissions.find((permission) => {
    const spans = (right: Right) => right.permissions.has(permission) && lasts(right, range, nowMs) && contains(right, range)
    if (rights.limits !== undefined && !rights.limits.some(spans)) return true
    return !rights.isAdministrator && !rights.rights.some(spans)
  })
}

function lasts({ expiresAt }: Right, range: GrantedRange, nowMs: number): boolean {
  if (expiresAt === undefined) return true
  return expiresAt > nowMs && range.expiresAt !== null && range.expiresAt <= expiresAt
}

function contains({ scope }: Right, { lineage, repositories }: GrantedRange): boolean {
  if (scope.kind === 'everything') return true
  if (scope.projectId !== undefined && lineage?.includes(scope.projectId) !== true) return false
  return scope.kind === 'project' || (repositories !== null && globContains(scope.text, repositories))
}

/** Whether the outer glob matches all that the inner one does. False where that is not plain to see: equal globs, and `prefix**` over what begins so. */
function globContains(outer: string, inner: string): boolean {
  if (outer === inner) return true
  if (!outer.endsWith('**') || outer.slice(0, -2).includes('*')) return false
  return parseGlob(inner)?.prefix.startsWith(outer.slice(0, -2)) === true
}
