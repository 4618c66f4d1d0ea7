/**
 * What can be permitted, and the roles that are there from the start.
 *
 * A permission is a resource and an action; a role is a set of them; a grant gives a role to somebody somewhere (on everything, on a project and those
 * below it, on repositories by glob). To add a permission, add it to {@link permissionTable} and to the roles that should have it; the documentation's
 * table and the test that walks every route are generated from here and from the routes.
 */

/** Every resource with its actions, and the widest place a permission can be asked at. `system` ones are held on everything or not at all. */
export const permissionTable = {
  user: { level: 'system', actions: ['list', 'read', 'create', 'update', 'delete'] },
  group: { level: 'system', actions: ['list', 'read', 'create', 'update', 'delete'] },
  provider: { level: 'system', actions: ['list', 'read', 'create', 'update', 'delete', 'test'] },
  role: { level: 'system', actions: ['create', 'update', 'delete'] },
  key: { level: 'system', actions: ['list', 'rotate', 'delete'] },
  certificate: { level: 'system', actions: ['list', 'renew'] },
  system: { level: 'system', actions: ['read', 'update'] },
  job: { level: 'system', actions: ['list', 'read', 'stop', 'retry', 'schedule'] },
  garbage: { level: 'system', actions: ['read', 'collect'] },
  scrub: { level: 'system', actions: ['read', 'start'] },
  backup: { level: 'system', actions: ['read', 'start', 'prune'] },
  storage: { level: 'system', actions: ['read', 'move'] },
  quota: { level: 'system', actions: ['list', 'update'] },
  project: { level: 'project', actions: ['create', 'list', 'read', 'update', 'delete'] },
  network: { level: 'project', actions: ['read'] },
  grant: { level: 'project', actions: ['list', 'read', 'create', 'update', 'delete'] },
  robot: { level: 'project', actions: ['list', 'read', 'create', 'update', 'delete'] },
  label: { level: 'project', actions: ['list', 'read', 'create', 'update', 'delete'] },
  audit: { level: 'project', actions: ['list', 'export'] },
  retention: { level: 'project', actions: ['list', 'read', 'create', 'update', 'delete', 'run'] },
  immutability: { level: 'project', actions: ['list', 'read', 'create', 'update', 'delete'] },
  trash: { level: 'project', actions: ['list', 'restore', 'delete'] },
  repository: { level: 'repository', actions: ['list', 'read', 'create', 'update', 'delete', 'move', 'pull', 'push'] },
  manifest: { level: 'repository', actions: ['list', 'read', 'delete', 'label'] },
  tag: { level: 'repository', actions: ['list', 'create', 'update', 'delete'] },
  upload: { level: 'repository', actions: ['list', 'delete'] },
} as const satisfies Readonly<Record<string, { readonly level: 'system' | 'project' | 'repository'; readonly actions: readonly string[] }>>

type Table = typeof permissionTable
export type Resource = keyof Table
/** `repository:pull`, `user:create`, … */
export type Permission = { [R in Resource]: `${R}:${Table[R]['actions'][number]}` }[Resource]

/** All of them, in the table's order. */
export const allPermissions: readonly Permission[] = Object.entries(permissionTable).flatMap(([resource, { actions }]) =>
  actions.map((action) => `${resource}:${action}` as Permission),
)

const known: ReadonlySet<string> = new Set(allPermissions)

/** Undefined when there is no such permission. */
export function parsePermission(text: string): Permission | undefined {
  return known.has(text) ? (text as Permission) : undefined
}

/** The resource that a permission is about: `repository` of `repository:pull`. */
export function resourceOf(permission: Permission): Resource {
  return permission.slice(0, permission.indexOf(':')) as Resource
}

/** The widest place at which the permission is asked. */
export function levelOf(permission: Permission): 'system' | 'project' | 'repository' {
  return permissionTable[resourceOf(permission)].level
}

/** A set of permissions under a name. */
export interface RoleDefinition {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly permissions: readonly Permission[]
}

const looking: readonly Permission[] = [
  'project:read',
  'project:list',
  'repository:list',
  'repository:read',
  'manifest:list',
  'manifest:read',
  'tag:list',
]
const pulling: readonly Permission[] = [...looking, 'repository:pull']
const knowing: readonly Permission[] = [
  'grant:list',
  'grant:read',
  'robot:list',
  'robot:read',
  'label:list',
  'label:read',
  'retention:list',
  'retention:read',
  'immutability:list',
  'immutability:read',
]
const pushing: readonly Permission[] = [
  'repository:push',
  'repository:create',
  'repository:update',
  'tag:create',
  'tag:update',
  'manifest:label',
]
const withinProjects = allPermissions.filter((permission) => levelOf(permission) !== 'system')

/** What anyone may do in a public project, without an account too. */
export const publicPermissions: readonly Permission[] = [...pulling, 'label:list', 'label:read']

/** The roles that cannot be changed, widest first. Five have names and rights of Harbor's project roles; docs/guides/roles.md tells the differences. */
export const builtInRoles: readonly RoleDefinition[] = [
  {
    name: 'system-reader',
    title: 'Read-only system administrator',
    description: 'Sees all settings, accounts, projects and logs; changes nothing and pulls nothing. Granted on everything.',
    permissions: allPermissions.filter((permission) => /:(?:list|read|export)$/.test(permission)),
  },
  {
    name: 'project-admin',
    title: 'Project administrator',
    description: 'Everything within a project: members, robots, labels, settings, its log, its deletion.',
    permissions: withinProjects.filter((permission) => permission !== 'project:create'),
  },
  {
    name: 'maintainer',
    title: 'Maintainer',
    description: 'Pulls, pushes, deletes and restores; keeps labels.',
    permissions: [
      ...pulling,
      ...knowing,
      ...pushing,
      'repository:delete',
      'manifest:delete',
      'tag:delete',
      'label:create',
      'label:update',
      'label:delete',
      'upload:list',
      'upload:delete',
      'trash:list',
      'trash:restore',
    ],
  },
  {
    name: 'developer',
    title: 'Developer',
    description: 'Pulls and pushes; deletes nothing.',
    permissions: [...pulling, ...knowing, ...pushing],
  },
  { name: 'guest', title: 'Guest', description: 'Pulls, and sees who else is here.', permissions: [...pulling, ...knowing] },
  { name: 'limited-guest', title: 'Limited guest', description: 'Pulls, and sees nothing of the members.', permissions: pulling },
  {
    name: 'auditor',
    title: 'Auditor',
    description: 'Sees names, sizes, members and logs; pulls nothing and changes nothing.',
    permissions: [...looking, ...knowing, 'audit:list', 'audit:export', 'upload:list', 'trash:list'],
  },
  {
    name: 'project-creator',
    title: 'Project creator',
    description: 'May make projects, and administers those it made. Granted on everything, or on a project for those below it.',
    permissions: ['project:create'],
  },
]
