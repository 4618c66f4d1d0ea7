/** Groups of people and who is in them. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'

const id = Type.Integer({ minimum: 1 })
const params = strictObject({ group: id })
const memberParams = strictObject({ group: id, user: id })
const name = Type.String({ minLength: 1, maxLength: 255 })
const description = Type.String({ maxLength: 2000 })

/** A group. */
export const group = strictObject({
  id,
  name: Type.String(),
  description: Type.String(),
  provider: Type.Union([Type.String(), Type.Null()], {
    description: 'The identity provider that says who is in it; null for a local group.',
  }),
  externalName: Type.Union([Type.String(), Type.Null()], { description: 'What the provider calls it.' }),
  createdAt: instant,
  updatedAt: instant,
  version: Type.Integer(),
})

/** Somebody in a group. */
export const groupMember = strictObject({
  userId: id,
  name: Type.String(),
  displayName: Type.String(),
  isDisabled: Type.Boolean(),
  createdAt: instant,
})

/** Groups, by name unless asked otherwise. */
export const listGroups = defineRoute({
  method: 'GET',
  path: '/groups',
  tag: 'groups',
  summary: 'List groups.',
  demand: { permission: 'group:list', on: 'system' },
  query: strictObject({
    ...pageQuery(['name', 'createdAt']),
    name: Type.Optional(Type.String({ maxLength: 255, description: 'Only names that begin so.' })),
    provider: Type.Optional(Type.String({ maxLength: 255, description: 'Name of a provider; `local` for groups that are kept here.' })),
  }),
  response: pageOf(group),
})

/** Makes a local group. */
export const createGroup = defineRoute({
  method: 'POST',
  path: '/groups',
  tag: 'groups',
  summary: 'Make a local group.',
  demand: { permission: 'group:create', on: 'system' },
  body: strictObject({ name, description: Type.Optional(description) }),
  response: group,
  status: 201,
  hasEtag: true,
})

/** One group. */
export const readGroup = defineRoute({
  method: 'GET',
  path: '/groups/{group}',
  tag: 'groups',
  summary: 'Show a group.',
  demand: { permission: 'group:read', on: 'system' },
  params,
  response: group,
  hasEtag: true,
})

/** Changes a group; what is left out stays. */
export const updateGroup = defineRoute({
  method: 'PATCH',
  path: '/groups/{group}',
  tag: 'groups',
  summary: 'Rename or describe a group.',
  demand: { permission: 'group:update', on: 'system' },
  params,
  body: strictObject({ name: Type.Optional(name), description: Type.Optional(description) }),
  response: group,
  hasEtag: true,
})

/** Removes a group. */
export const deleteGroup = defineRoute({
  method: 'DELETE',
  path: '/groups/{group}',
  tag: 'groups',
  summary: 'Remove a group with its memberships and grants.',
  demand: { permission: 'group:delete', on: 'system' },
  elevationWhen: 'the group has roles',
  params,
  hasEtag: true,
})

/** Who is in a group, in the order in which they came. */
export const listGroupMembers = defineRoute({
  method: 'GET',
  path: '/groups/{group}/members',
  tag: 'groups',
  summary: 'List who is in a group.',
  demand: { permission: 'group:read', on: 'system' },
  params,
  query: strictObject({
    ...pageQuery(['createdAt']),
    name: Type.Optional(Type.String({ maxLength: 255, description: 'Only names that begin so.' })),
  }),
  response: pageOf(groupMember),
})

/** Brings somebody in. */
export const addGroupMember = defineRoute({
  method: 'PUT',
  path: '/groups/{group}/members/{user}',
  tag: 'groups',
  summary: 'Bring somebody into a local group. The caller must hold what the group has.',
  demand: { permission: 'group:update', on: 'system' },
  elevationWhen: 'the group has a permission that asks for that',
  params: memberParams,
})

/** Takes somebody out. */
export const removeGroupMember = defineRoute({
  method: 'DELETE',
  path: '/groups/{group}/members/{user}',
  tag: 'groups',
  summary: 'Take somebody out of a local group.',
  demand: { permission: 'group:update', on: 'system' },
  params: memberParams,
})

/** For routes/all.ts. */
export const groupContracts: readonly RouteContract[] = [
  listGroups,
  createGroup,
  readGroup,
  updateGroup,
  deleteGroup,
  listGroupMembers,
  addGroupMember,
  removeGroupMember,
]
