/** Rights that come from a setting, not from grants: of an open registry's callers, and of users of an htpasswd file that gives them everything. */
import { builtInRoles, type Permission } from '#api/permissions.ts'
import type { Right, Rights } from './decide.ts'

const everythingInProjects: readonly Permission[] = builtInRoles.find(({ name }) => name === 'project-admin')?.permissions ?? []

function onEverything(permissions: readonly Permission[]): Rights {
  return { isAdministrator: false, rights: [{ permissions: new Set(permissions), scope: { kind: 'everything' } }] }
}

/**
 * What registry:2 gave, everything there is to do at /v2, and what goes with it: projects, labels, the way back from a deletion. Nothing that outlasts the
 * entry in the file or reaches others (grants, robots, rules, logs): these are for administrators, and for those whom they grant it to.
 */
export const fileUserRights: readonly Right[] = onEverything([
  'project:create',
  'project:list',
  'project:read',
  'label:list',
  'label:read',
  'label:create',
  'label:update',
  'label:delete',
  'trash:list',
  'trash:restore',
  'repository:list',
  'repository:read',
  'repository:create',
  'repository:update',
  'repository:delete',
  'repository:pull',
  'repository:push',
  'manifest:list',
  'manifest:read',
  'manifest:delete',
  'manifest:label',
  'tag:list',
  'tag:create',
  'tag:update',
  'tag:delete',
  'upload:list',
  'upload:delete',
]).rights

/** Anyone, at /v2 of a registry without `auth`. */
export const openRights: Rights = onEverything(everythingInProjects)

/** Anyone, at the management API of a registry without `auth`: what /v2 shows as well. */
export const openLookingRights: Rights = onEverything([
  'project:list',
  'project:read',
  'repository:list',
  'repository:read',
  'repository:pull',
  'manifest:list',
  'manifest:read',
  'tag:list',
  'label:list',
  'label:read',
])
