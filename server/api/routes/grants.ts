/** Who has which role where: of the whole system, and of one project. */
import { Type } from 'typebox'
import { allPermissions } from '#api/permissions.ts'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'
import { warnings } from '#api/warnings.ts'

const id = Type.Integer({ minimum: 1 })
const kind = Type.Enum(['user', 'group', 'robot', 'everyone', 'signed-in'])
const named = Type.Enum(['user', 'group', 'robot'])
const role = Type.String({ minLength: 1, maxLength: 64 })
const projectName = Type.String({ minLength: 1, maxLength: 255 })
const end = Type.Union([instant, Type.Null()], { description: 'When it ends; null: never.' })
const globText = Type.String({ minLength: 1, maxLength: 255 })
const repositories = Type.Union([globText, Type.Null()], {
  description: 'Glob of whole repository names (`*` within a part, `**` across parts); null: all.',
})
const projectParams = strictObject({ project: projectName })
const grantParams = strictObject({ grant: id })
const projectGrantParams = strictObject({ project: projectName, grant: id })

const subject = Type.Union(
  [
    strictObject({ kind: named, name: Type.String({ minLength: 1, maxLength: 400 }) }),
    strictObject({ kind: named, id }),
    strictObject({ kind: Type.Enum(['everyone', 'signed-in']) }),
  ],
  {
    description:
      'By name or id. `everyone`: without an account too; `signed-in`: every person with an account. A robot by its login name. A group by its name here or by what its provider calls it, `PROVIDER:GROUP` where several have one of the name (`local:GROUP` for one that is kept here).',
  },
)

const grantMembers = {
  id,
  subject: strictObject({
    kind,
    id: Type.Optional(id),
    name: Type.Optional(Type.String()),
    provider: Type.Optional(Type.String({ description: 'The identity provider that says who is in the group; absent for a local one.' })),
  }),
  role: Type.String(),
  project: Type.Union([Type.String(), Type.Null()], { description: 'On this project and those below it; null: on every project.' }),
  repositories: Type.Union([Type.String(), Type.Null()]),
  expiresAt: Type.Union([instant, Type.Null()]),
  createdBy: Type.String(),
  createdAt: instant,
  version: Type.Integer(),
  isExpired: Type.Boolean({ description: 'It gives nothing any more.' }),
  warnings,
}

/** A grant. */
export const grant = strictObject(grantMembers)

/** A grant, seen from a project in which it holds. */
export const grantThere = strictObject({
  ...grantMembers,
  origin: Type.Enum(['project', 'above', 'everything', 'glob'], {
    description:
      '`project`: given on this project; `above`: on a project above it, which `project` names; `everything`: on every project; `glob`: on repositories by a glob that can match here.',
  }),
})

const nameOrId = { minLength: 1, maxLength: 400 }
const filters = {
  ...pageQuery(['createdAt']),
  subject: Type.Optional(kind),
  user: Type.Optional(
    Type.String({ ...nameOrId, description: 'Only those of this person, by name or id. What is digits alone is an id.' }),
  ),
  group: Type.Optional(
    Type.String({ ...nameOrId, description: 'Only those of this group, by name (`PROVIDER:GROUP` where several have it) or id.' }),
  ),
  robot: Type.Optional(Type.String({ ...nameOrId, description: 'Only those of this robot, by login name or id.' })),
  role: Type.Optional(role),
}
const content = { subject, role, repositories: Type.Optional(repositories), expiresAt: Type.Optional(end) }
const changes = strictObject({ role: Type.Optional(role), repositories: Type.Optional(repositories), expiresAt: Type.Optional(end) })

/** All grants, in the order in which they were given. */
export const listGrants = defineRoute({
  method: 'GET',
  path: '/grants',
  tag: 'grants',
  summary: 'List grants of the whole system.',
  demand: { permission: 'grant:list', on: 'system' },
  query: strictObject({ ...filters, project: Type.Optional(projectName) }),
  response: pageOf(grant),
})

/** Gives a role anywhere. */
export const createGrant = defineRoute({
  method: 'POST',
  path: '/grants',
  tag: 'grants',
  summary: 'Give a role: on everything, on a project, or on repositories by glob. The caller must hold what it gives.',
  demand: { permission: 'grant:create', on: 'system' },
  elevationWhen: 'it gives away a permission that asks for that',
  body: strictObject({ ...content, project: Type.Optional(Type.Union([projectName, Type.Null()])) }),
  response: grant,
  status: 201,
  hasEtag: true,
})

/** One grant, wherever it holds. */
export const readGrant = defineRoute({
  method: 'GET',
  path: '/grants/{grant}',
  tag: 'grants',
  summary: 'Show a grant.',
  demand: { permission: 'grant:read', on: 'system' },
  params: grantParams,
  response: grant,
  hasEtag: true,
})

/** Changes a grant, wherever it holds. */
export const updateGrant = defineRoute({
  method: 'PATCH',
  path: '/grants/{grant}',
  tag: 'grants',
  summary: 'Change role, repositories or end of a grant. The caller must hold what it gave and what it will give.',
  demand: { permission: 'grant:update', on: 'system' },
  elevationWhen: 'it gives away a permission that asks for that',
  params: grantParams,
  body: changes,
  response: grant,
  hasEtag: true,
})

/** Takes a role away, wherever it holds. */
export const deleteGrant = defineRoute({
  method: 'DELETE',
  path: '/grants/{grant}',
  tag: 'grants',
  summary: 'Take a role away. The caller must hold what it gave.',
  demand: { permission: 'grant:delete', on: 'system' },
  params: grantParams,
  hasEtag: true,
})

/** Grants of one project, and with `inherited` those that hold there as well. */
export const listProjectGrants = defineRoute({
  method: 'GET',
  path: '/projects/{project}/grants',
  tag: 'grants',
  summary: 'List who has which role in a project.',
  demand: { permission: 'grant:list', on: 'project' },
  params: projectParams,
  query: strictObject({
    ...filters,
    inherited: Type.Optional(
      Type.Boolean({ description: 'Also those on projects above it, on everything, and by a glob that can match a repository there.' }),
    ),
  }),
  response: pageOf(grantThere),
})

/** Gives a role in a project. */
export const createProjectGrant = defineRoute({
  method: 'POST',
  path: '/projects/{project}/grants',
  tag: 'grants',
  summary: 'Give a role in a project, or on some of its repositories. The caller must hold what it gives.',
  demand: { permission: 'grant:create', on: 'project' },
  elevationWhen: 'it gives away a permission that asks for that',
  params: projectParams,
  body: strictObject(content),
  response: grant,
  status: 201,
  hasEtag: true,
})

/** One grant of a project. */
export const readProjectGrant = defineRoute({
  method: 'GET',
  path: '/projects/{project}/grants/{grant}',
  tag: 'grants',
  summary: 'Show a grant of a project.',
  demand: { permission: 'grant:read', on: 'project' },
  params: projectGrantParams,
  response: grant,
  hasEtag: true,
})

/** Changes a grant of a project. */
export const updateProjectGrant = defineRoute({
  method: 'PATCH',
  path: '/projects/{project}/grants/{grant}',
  tag: 'grants',
  summary: 'Change role, repositories or end of a grant of a project.',
  demand: { permission: 'grant:update', on: 'project' },
  elevationWhen: 'it gives away a permission that asks for that',
  params: projectGrantParams,
  body: changes,
  response: grant,
  hasEtag: true,
})

/** Takes a role in a project away. */
export const deleteProjectGrant = defineRoute({
  method: 'DELETE',
  path: '/projects/{project}/grants/{grant}',
  tag: 'grants',
  summary: 'Take a role in a project away. The last administrator of a project stays, unless an administrator of the system does it.',
  demand: { permission: 'grant:delete', on: 'project' },
  params: projectGrantParams,
  hasEtag: true,
})

/** Whom a role could be given to. */
export const listCandidates = defineRoute({
  method: 'GET',
  path: '/projects/{project}/candidates',
  tag: 'grants',
  summary: 'Find people and groups by the beginning of their name, to give them a role in the project.',
  demand: { permission: 'grant:create', on: 'project' },
  params: projectParams,
  query: strictObject({
    name: Type.String({ minLength: 1, maxLength: 255, description: 'Beginning of the name.' }),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, description: 'How many of each kind at most; 20 unless said.' })),
  }),
  response: strictObject({
    items: Type.Array(
      strictObject({
        kind: Type.Enum(['user', 'group']),
        id,
        name: Type.String(),
        provider: Type.Union([Type.String(), Type.Null()], {
          description: 'That says who is in the group; null for a local one, and for people.',
        }),
        displayName: Type.String({ description: 'Empty for none.' }),
      }),
    ),
  }),
})

const permissions = Type.Array(Type.Enum([...allPermissions]))

/** All grants taken together. */
export const readPermissionsThere = defineRoute({
  method: 'GET',
  path: '/projects/{project}/permissions',
  tag: 'grants',
  summary:
    'Tell what a person or robot may do in a project or on one repository of it, by all grants, those of groups too, and by what is public.',
  demand: { permission: 'grant:create', on: 'project' },
  params: projectParams,
  query: strictObject({
    user: Type.Optional(Type.String({ minLength: 1, maxLength: 255, description: 'Name of an account: this or `robot`.' })),
    robot: Type.Optional(Type.String({ minLength: 1, maxLength: 400, description: 'Login name of a robot.' })),
    repository: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, description: 'Whole name of a repository in the project: what is permitted on it.' }),
    ),
  }),
  response: strictObject({
    user: Type.Optional(
      strictObject({
        id,
        name: Type.String(),
        isAdministrator: Type.Boolean({ description: 'Of the system: may do everything.' }),
        isDisabled: Type.Boolean({ description: 'Can do nothing, whatever the permissions are.' }),
      }),
    ),
    robot: Type.Optional(strictObject({ id, name: Type.String({ description: 'That it logs in with.' }), isDisabled: Type.Boolean() })),
    permissions: Type.Array(Type.Enum([...allPermissions]), {
      description: 'On the project and everything in it; on the repository, where one was asked about.',
    }),
    repositories: Type.Array(strictObject({ repositories: globText, permissions, expiresAt: end }), {
      description: 'On some of its repositories besides, by globs; empty where one was asked about.',
    }),
  }),
})

const ownPermissions = strictObject({
  permissions: Type.Array(Type.Enum([...allPermissions]), { description: 'By all grants, those of groups too, and by what is public.' }),
})

/** For programs that show what can be done: nobody needs to try it out. */
export const readOwnPermissions = defineRoute({
  method: 'GET',
  path: '/projects/{project}/permissions/own',
  tag: 'grants',
  summary: 'Tell what the caller may do in a project and on everything in it.',
  demand: { permission: 'project:read', on: 'project' },
  params: projectParams,
  response: ownPermissions,
})

/** The same on one repository, where globs count. */
export const readOwnRepositoryPermissions = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/permissions/own',
  tag: 'grants',
  summary: 'Tell what the caller may do on a repository.',
  demand: { permission: 'repository:read', on: 'repository' },
  params: strictObject({ repository: Type.String({ maxLength: 255, description: 'Full name, percent-encoded.' }) }),
  response: ownPermissions,
})

/** For routes/all.ts. */
export const grantContracts: readonly RouteContract[] = [
  listGrants,
  createGrant,
  readGrant,
  updateGrant,
  deleteGrant,
  listProjectGrants,
  createProjectGrant,
  readProjectGrant,
  updateProjectGrant,
  deleteProjectGrant,
  listCandidates,
  readPermissionsThere,
  readOwnPermissions,
  readOwnRepositoryPermissions,
]
