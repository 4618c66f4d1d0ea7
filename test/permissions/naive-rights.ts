/**
 * A second, plain reading of who may do what: only from the table of permissions, the built-in roles and the grants of the scene, by names and prefixes.
 * It shares no code with access/decide.ts on purpose: where the two disagree, one of them is wrong.
 */
import { builtInRoles, permissionTable, publicPermissions } from '#api/permissions.ts'

/** Where something is asked: the system, a project by name, or a repository in one. */
export interface Where {
  readonly project?: string
  readonly isPublic?: boolean
  readonly repository?: string
}

/** Everything, a project with those below, or one repository. */
export type NaiveScope = 'everything' | { readonly project: string } | { readonly repository: string }

export interface NaiveGrant {
  readonly permissions: readonly string[]
  readonly on: NaiveScope
}

/** What somebody was given. */
export interface NaiveRights {
  readonly isAnonymous?: boolean
  readonly isAdministrator?: boolean
  readonly grants: readonly NaiveGrant[]
  /** What the credential narrows them to. */
  readonly limit?: NaiveGrant
}

/** The permissions of a built-in role. */
export function permissionsOfRole(name: string): readonly string[] {
  const role = builtInRoles.find((each) => each.name === name)
  if (role === undefined) throw new Error(`there is no role ${name}`)
  return role.permissions
}

export function naivelyMay(rights: NaiveRights, permission: string, where: Where): boolean {
  const [resource = ''] = permission.split(':')
  const isSystem = permissionTable[resource as keyof typeof permissionTable].level === 'system'
  const place = isSystem ? {} : where
  if (rights.limit !== undefined && !gives(rights.limit, permission, place)) return false
  if (rights.isAdministrator === true) return true
  if (place.project !== undefined && place.isPublic === true && (publicPermissions as readonly string[]).includes(permission)) return true
  return rights.grants.some((grant) => gives(grant, permission, place))
}

function gives({ permissions, on }: NaiveGrant, permission: string, where: Where): boolean {
  if (!permissions.includes(permission)) return false
  if (on === 'everything') return true
  if ('repository' in on) return where.repository === on.repository
  return where.project !== undefined && `${where.project}/`.startsWith(`${on.project}/`)
}
