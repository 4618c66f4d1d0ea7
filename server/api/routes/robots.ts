/** Robot accounts, their secrets, and the workloads that may act as them: of the whole system, and of one project. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'

const id = Type.Integer({ minimum: 1 })
const projectName = Type.String({ minLength: 1, maxLength: 255 })
const orNull = Type.Union([instant, Type.Null()])
const text = Type.String({ maxLength: 1000 })
const nameOrNull = Type.Union([Type.String(), Type.Null()])

const params = {
  robot: strictObject({ robot: id }),
  secret: strictObject({ robot: id, secret: id }),
  trust: strictObject({ robot: id, trust: id }),
  project: strictObject({ project: projectName }),
  projectRobot: strictObject({ project: projectName, robot: id }),
  projectSecret: strictObject({ project: projectName, robot: id, secret: id }),
  projectTrust: strictObject({ project: projectName, robot: id, trust: id }),
}

const robotMembers = {
  id,
  name: Type.String(),
  login: Type.String({ description: 'The user name: `robot-<name>` or `robot-<name>@<project>`.' }),
  project: nameOrNull,
  description: Type.String(),
  isDisabled: Type.Boolean(),
  allowedAddresses: Type.Array(Type.String(), { description: 'Addresses and networks; empty: from anywhere.' }),
  expiresAt: orNull,
  lastUsedAt: orNull,
  createdBy: Type.String({ description: 'Who made it: an account, or a robot.' }),
  createdByState: Type.Enum(['active', 'disabled', 'gone'], {
    description: 'How that account is by now. gone: it was deleted; the robot goes on working.',
  }),
  createdAt: instant,
  updatedAt: instant,
  version: Type.Integer(),
}

/** A robot in a list. */
export const robotSummary = strictObject(robotMembers)

/** A robot with what it may. */
export const robot = strictObject({
  ...robotMembers,
  grants: Type.Array(strictObject({ id, role: Type.String(), project: nameOrNull, repositories: nameOrNull, expiresAt: orNull })),
})

const allowedAddresses = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 200 })
const grants = Type.Array(
  strictObject({
    role: Type.String({ minLength: 1, maxLength: 64 }),
    project: Type.Optional(
      Type.Union([projectName, Type.Null()], {
        description: 'On this project and those below it. For a robot of a project: that one unless said.',
      }),
    ),
    repositories: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Null()])),
  }),
  { maxItems: 100, description: 'Never more than you may yourself.' },
)

const creation = strictObject({
  name: Type.String({ pattern: '^[a-z0-9][a-z0-9._-]*$', maxLength: 128 }),
  description: Type.Optional(text),
  allowedAddresses: Type.Optional(allowedAddresses),
  expiresAt: Type.Optional(orNull),
  grants: Type.Optional(grants),
  hasSecret: Type.Optional(
    Type.Boolean({ description: 'Whether it gets a first secret (true unless said); a robot for trusted workloads needs none.' }),
  ),
})
const created = strictObject({ robot, secret: Type.Union([Type.String(), Type.Null()]) })

const change = Type.Object(
  {
    description: Type.Optional(text),
    isDisabled: Type.Optional(Type.Boolean()),
    allowedAddresses: Type.Optional(allowedAddresses),
    expiresAt: Type.Optional(orNull),
    grants: Type.Optional(grants),
  },
  { additionalProperties: false, minProperties: 1 },
)

const secretView = strictObject({
  id,
  hint: Type.String({ description: 'Its first characters.' }),
  name: Type.String(),
  expiresAt: orNull,
  lastUsedAt: orNull,
  createdBy: Type.String(),
  createdAt: instant,
})
const secretInput = strictObject({ name: Type.Optional(Type.String({ maxLength: 200 })), expiresAt: Type.Optional(orNull) })
const secretMade = strictObject({ secret: Type.String(), details: secretView })
const secretQuery = strictObject(pageQuery(['createdAt']))

const claims = Type.Record(Type.String({ minLength: 1, maxLength: 128 }), Type.String({ minLength: 1, maxLength: 512 }), {
  description: 'Claim → pattern of its whole value: `*` for anything but `/`, `**` for anything. All must fit.',
})
const trustView = strictObject({
  id,
  provider: Type.String(),
  audience: Type.String(),
  claims,
  description: Type.String(),
  createdAt: instant,
})
const trustInput = strictObject({
  provider: Type.String({ minLength: 1, maxLength: 255, description: 'Name of a provider of workload tokens.' }),
  audience: Type.String({ minLength: 1, maxLength: 512, description: 'What the token’s `aud` must name: the URL of this registry, say.' }),
  claims,
  description: Type.Optional(text),
})
const trustList = strictObject({ items: Type.Array(trustView) })

const listQuery = strictObject({
  ...pageQuery(['name', 'createdAt']),
  name: Type.Optional(Type.String({ maxLength: 128, description: 'Only names that begin so.' })),
  isDisabled: Type.Optional(Type.Boolean()),
})
const systemListQuery = strictObject({
  ...listQuery.properties,
  level: Type.Optional(
    Type.Enum(['system', 'all'], { description: 'Robots of the system alone, or of all projects too (as is unless said).' }),
  ),
})

const shared = { tag: 'robots' } as const
const system = { list: { permission: 'robot:list', on: 'system' }, read: { permission: 'robot:read', on: 'system' } } as const
const project = { list: { permission: 'robot:list', on: 'project' }, read: { permission: 'robot:read', on: 'project' } } as const

/** Robots of the whole registry. */
export const listRobots = defineRoute({
  ...shared,
  method: 'GET',
  path: '/robots',
  summary: 'List robots.',
  demand: system.list,
  query: systemListQuery,
  response: pageOf(robotSummary),
})
/** A robot of the system. */
export const createRobot = defineRoute({
  ...shared,
  method: 'POST',
  path: '/robots',
  summary: 'Make a robot of the system. Its secret is in the answer and nowhere else.',
  demand: { permission: 'robot:create', on: 'system' },
  elevationWhen: 'it gives away a permission that asks for that',
  body: creation,
  response: created,
  status: 201,
  hasEtag: true,
})
/** Any robot. */
export const readRobot = defineRoute({
  ...shared,
  method: 'GET',
  path: '/robots/{robot}',
  summary: 'Show a robot.',
  demand: system.read,
  params: params.robot,
  response: robot,
  hasEtag: true,
})
/** Any robot. */
export const updateRobot = defineRoute({
  ...shared,
  method: 'PATCH',
  path: '/robots/{robot}',
  summary: 'Change a robot; `grants` replace all that it has.',
  demand: { permission: 'robot:update', on: 'system' },
  elevationWhen: 'it gives away a permission that asks for that',
  params: params.robot,
  body: change,
  response: robot,
  hasEtag: true,
})
/** Any robot. */
export const deleteRobot = defineRoute({
  ...shared,
  method: 'DELETE',
  path: '/robots/{robot}',
  summary: 'Remove a robot with its secrets and grants.',
  demand: { permission: 'robot:delete', on: 'system' },
  params: params.robot,
  hasEtag: true,
})
/** Secrets of any robot. */
export const listRobotSecrets = defineRoute({
  ...shared,
  method: 'GET',
  path: '/robots/{robot}/secrets',
  summary: 'List secrets of a robot: all about them but themselves.',
  demand: system.read,
  params: params.robot,
  query: secretQuery,
  response: pageOf(secretView),
})
/** A further secret. */
export const addRobotSecret = defineRoute({
  ...shared,
  method: 'POST',
  path: '/robots/{robot}/secrets',
  summary: 'Add a secret to a robot, beside those it has.',
  demand: { permission: 'robot:update', on: 'system' },
  elevationWhen: 'the robot has a permission that asks for that',
  params: params.robot,
  body: secretInput,
  response: secretMade,
  status: 201,
})
/** Ends a secret. */
export const revokeRobotSecret = defineRoute({
  ...shared,
  method: 'DELETE',
  path: '/robots/{robot}/secrets/{secret}',
  summary: 'Revoke a secret of a robot; what was issued for it ends at once.',
  demand: { permission: 'robot:update', on: 'system' },
  params: params.secret,
})
/** Workloads that act as any robot. */
export const listRobotTrusts = defineRoute({
  ...shared,
  method: 'GET',
  path: '/robots/{robot}/trusts',
  summary: 'List which workloads may act as a robot.',
  demand: system.read,
  params: params.robot,
  response: trustList,
})
/** Lets workloads act as a robot. */
export const addRobotTrust = defineRoute({
  ...shared,
  method: 'POST',
  path: '/robots/{robot}/trusts',
  summary: 'Let workloads whose tokens fit the rules act as a robot.',
  demand: { permission: 'robot:update', on: 'system' },
  elevationWhen: 'the robot has a permission that asks for that',
  params: params.robot,
  body: trustInput,
  response: trustView,
  status: 201,
})
/** No longer. */
export const removeRobotTrust = defineRoute({
  ...shared,
  method: 'DELETE',
  path: '/robots/{robot}/trusts/{trust}',
  summary: 'Stop workloads from acting as a robot.',
  demand: { permission: 'robot:update', on: 'system' },
  params: params.trust,
})

/** Robots of a project. */
export const listProjectRobots = defineRoute({
  ...shared,
  method: 'GET',
  path: '/projects/{project}/robots',
  summary: 'List robots of a project.',
  demand: project.list,
  params: params.project,
  query: listQuery,
  response: pageOf(robotSummary),
})
/** A robot of a project. */
export const createProjectRobot = defineRoute({
  ...shared,
  method: 'POST',
  path: '/projects/{project}/robots',
  summary: 'Make a robot of a project. Its secret is in the answer and nowhere else.',
  demand: { permission: 'robot:create', on: 'project' },
  elevationWhen: 'it gives away a permission that asks for that',
  params: params.project,
  body: creation,
  response: created,
  status: 201,
  hasEtag: true,
})
/** Of that project. */
export const readProjectRobot = defineRoute({
  ...shared,
  method: 'GET',
  path: '/projects/{project}/robots/{robot}',
  summary: 'Show a robot of a project.',
  demand: project.read,
  params: params.projectRobot,
  response: robot,
  hasEtag: true,
})
/** Of that project. */
export const updateProjectRobot = defineRoute({
  ...shared,
  method: 'PATCH',
  path: '/projects/{project}/robots/{robot}',
  summary: 'Change a robot of a project; `grants` replace all that it has.',
  demand: { permission: 'robot:update', on: 'project' },
  elevationWhen: 'it gives away a permission that asks for that',
  params: params.projectRobot,
  body: change,
  response: robot,
  hasEtag: true,
})
/** Of that project. */
export const deleteProjectRobot = defineRoute({
  ...shared,
  method: 'DELETE',
  path: '/projects/{project}/robots/{robot}',
  summary: 'Remove a robot of a project with its secrets and grants.',
  demand: { permission: 'robot:delete', on: 'project' },
  params: params.projectRobot,
  hasEtag: true,
})
/** Of that project. */
export const listProjectRobotSecrets = defineRoute({
  ...shared,
  method: 'GET',
  path: '/projects/{project}/robots/{robot}/secrets',
  summary: 'List secrets of a robot of a project: all about them but themselves.',
  demand: project.read,
  params: params.projectRobot,
  query: secretQuery,
  response: pageOf(secretView),
})
/** Of that project. */
export const addProjectRobotSecret = defineRoute({
  ...shared,
  method: 'POST',
  path: '/projects/{project}/robots/{robot}/secrets',
  summary: 'Add a secret to a robot of a project, beside those it has.',
  demand: { permission: 'robot:update', on: 'project' },
  elevationWhen: 'the robot has a permission that asks for that',
  params: params.projectRobot,
  body: secretInput,
  response: secretMade,
  status: 201,
})
/** Of that project. */
export const revokeProjectRobotSecret = defineRoute({
  ...shared,
  method: 'DELETE',
  path: '/projects/{project}/robots/{robot}/secrets/{secret}',
  summary: 'Revoke a secret of a robot of a project; what was issued for it ends at once.',
  demand: { permission: 'robot:update', on: 'project' },
  params: params.projectSecret,
})
/** Of that project. */
export const listProjectRobotTrusts = defineRoute({
  ...shared,
  method: 'GET',
  path: '/projects/{project}/robots/{robot}/trusts',
  summary: 'List which workloads may act as a robot of a project.',
  demand: project.read,
  params: params.projectRobot,
  response: trustList,
})
/** Of that project. */
export const addProjectRobotTrust = defineRoute({
  ...shared,
  method: 'POST',
  path: '/projects/{project}/robots/{robot}/trusts',
  summary: 'Let workloads whose tokens fit the rules act as a robot of a project.',
  demand: { permission: 'robot:update', on: 'project' },
  elevationWhen: 'the robot has a permission that asks for that',
  params: params.projectRobot,
  body: trustInput,
  response: trustView,
  status: 201,
})
/** Of that project. */
export const removeProjectRobotTrust = defineRoute({
  ...shared,
  method: 'DELETE',
  path: '/projects/{project}/robots/{robot}/trusts/{trust}',
  summary: 'Stop workloads from acting as a robot of a project.',
  demand: { permission: 'robot:update', on: 'project' },
  params: params.projectTrust,
})

/** For the list of all. */
export const robotContracts: readonly RouteContract[] = [
  listRobots,
  createRobot,
  readRobot,
  updateRobot,
  deleteRobot,
  listRobotSecrets,
  addRobotSecret,
  revokeRobotSecret,
  listRobotTrusts,
  addRobotTrust,
  removeRobotTrust,
  listProjectRobots,
  createProjectRobot,
  readProjectRobot,
  updateProjectRobot,
  deleteProjectRobot,
  listProjectRobotSecrets,
  addProjectRobotSecret,
  revokeProjectRobotSecret,
  listProjectRobotTrusts,
  addProjectRobotTrust,
  removeProjectRobotTrust,
]
