/** Rights that come from a setting, not from grants: of an open registry's callers, and of users of an htpasswd file that gives them everything. */
import { builtInRoles, type Permission } from '#api/permissions.ts'
import type { Right, Rights } from './decide.ts'

const everythingInProjects: readonly Permission[] = builtInRoles.find(({ name }) => name === 'project-admin')?.permissions ?? []

function onEverything(permissions: readonly Permission[]): Rights {
  return { isAdministrator: false, rights: [{ permissions: new Set(permissions), scope: { kind: 'everything' } }] }
}

/** As registry:2 has it, everything there is to do with repositories; accounts and settings are not in the file's gift. */
export const fileUserRights: readonly Right[] = onEverything([...everythingInProjects, 'project:create']).rights

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
