/**
 * The one decision: may somebody with these rights do this here. Pure; everything it needs is in its arguments.
 *
 * Rights are gathered from rows and remembered (rights.ts); a credential may narrow them ({@link Rights.limits}) but never widen them.
 */
import { levelOf, publicPermissions, type Permission } from '#api/permissions.ts'
import { matchesGlob, type RepositoryGlob } from '#metadata/repository-glob.ts'
import type { RepositoryName } from '#oci/reference.ts'

/** Where a right holds. */
export type RightScope =
  | { readonly kind: 'everything' }
  /** That project and those below it. */
  | { readonly kind: 'project'; readonly projectId: number }
  /** Repositories by glob of their full name; `projectId` narrows them to that project and those below it. */
  | { readonly kind: 'repositories'; readonly glob: RepositoryGlob; readonly text: string; readonly projectId?: number | undefined }

/** Permissions that hold somewhere, until some time. */
export interface Right {
  readonly permissions: ReadonlySet<Permission>
  readonly scope: RightScope
  /** Milliseconds since the epoch; undefined: without end. */
  readonly expiresAt?: number | undefined
}

/** All that somebody may do. */
export interface Rights {
  /** May do everything, within `limits`. */
  readonly isAdministrator: boolean
  readonly rights: readonly Right[]
  /** What the credential allows at most; undefined: all that its owner may. */
  readonly limits?: readonly Right[] | undefined
}

/** What a decision needs to know of a project. */
export interface ProjectFacts {
  readonly id: number
  readonly name: string
  readonly isPublic: boolean
  readonly isDefault: boolean
  /** Its own id, its parent's, and so on up. */
  readonly lineage: readonly number[]
}

/** Where something is to be done. */
export type Target =
  | { readonly kind: 'system' }
  | { readonly kind: 'project'; readonly project: ProjectFacts }
  | { readonly kind: 'repository'; readonly project: ProjectFacts; readonly repository: RepositoryName }

/** Rights of nobody: what is public remains. */
export const noRights: Rights = { isAdministrator: false, rights: [] }

const publicSet: ReadonlySet<Permission> = new Set(publicPermissions)

/** `nowMs` judges expiry. A system permission holds on everything or not at all. */
export function decide(rights: Rights, permission: Permission, target: Target, nowMs: number): boolean {
  const at: Target = levelOf(permission) === 'system' ? { kind: 'system' } : target
  if (rights.limits !== undefined && !rights.limits.some((limit) => holds(limit, permission, at, nowMs))) return false
  if (rights.isAdministrator) return true
  if (at.kind !== 'system' && at.project.isPublic && publicSet.has(permission)) return true
  return rights.rights.some((right) => holds(right, permission, at, nowMs))
}

function holds(right: Right, permission: Permission, target: Target, nowMs: number): boolean {
  if (!right.permissions.has(permission)) return false
  if (right.expiresAt !== undefined && right.expiresAt <= nowMs) return false
  return covers(right.scope, target)
}

function covers(scope: RightScope, target: Target): boolean {
  if (scope.kind === 'everything') return true
  if (target.kind === 'system') return false
  if (scope.kind === 'project') return target.project.lineage.includes(scope.projectId)
  if (target.kind !== 'repository') return false
  if (scope.projectId !== undefined && !target.project.lineage.includes(scope.projectId)) return false
  return matchesGlob(scope.glob, target.repository)
}
