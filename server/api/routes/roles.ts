/** Roles, and the permissions that they are made of. */
import { Type } from 'typebox'
import { defineRoute, instant, strictObject, type RouteContract } from '#api/contract.ts'
import { allPermissions } from '#api/permissions.ts'

const params = strictObject({ role: Type.String({ minLength: 1, maxLength: 64 }) })
const title = Type.String({ maxLength: 200 })
const description = Type.String({ maxLength: 2000 })
const permissions = Type.Array(Type.Enum([...allPermissions]), { maxItems: 500, description: 'See GET /permissions.' })

/** A role. Built-in ones cannot be changed. */
export const role = strictObject({
  name: Type.String(),
  title: Type.String(),
  description: Type.String(),
  permissions: Type.Array(Type.String()),
  isBuiltIn: Type.Boolean(),
  createdAt: Type.Union([instant, Type.Null()]),
  updatedAt: Type.Union([instant, Type.Null()]),
  version: Type.Integer(),
})

/** All roles: there are few. */
export const listRoles = defineRoute({
  method: 'GET',
  path: '/roles',
  tag: 'roles',
  summary: 'List all roles, the built-in ones first.',
  demand: { who: 'signed-in' },
  response: strictObject({ items: Type.Array(role) }),
})

/** Makes a role. */
export const createRole = defineRoute({
  method: 'POST',
  path: '/roles',
  tag: 'roles',
  summary: 'Make a role. It gives nothing until it is granted.',
  demand: { permission: 'role:create', on: 'system' },
  elevationWhen: 'the role has a permission that asks for that',
  body: strictObject({
    name: Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'Lower-case letters and digits, with `.` `_` `-` between them. It stays.',
    }),
    title: Type.Optional(title),
    description: Type.Optional(description),
    permissions,
  }),
  response: role,
  status: 201,
  hasEtag: true,
})

/** One role. */
export const readRole = defineRoute({
  method: 'GET',
  path: '/roles/{role}',
  tag: 'roles',
  summary: 'Show a role.',
  demand: { who: 'signed-in' },
  params,
  response: role,
  hasEtag: true,
})

/** Changes a role for all who hold it; what is left out stays. */
export const updateRole = defineRoute({
  method: 'PATCH',
  path: '/roles/{role}',
  tag: 'roles',
  summary: 'Change a role for all who hold it. What is added must be held by the caller on everything.',
  demand: { permission: 'role:update', on: 'system' },
  elevationWhen: 'a permission is added that asks for that',
  params,
  body: strictObject({ title: Type.Optional(title), description: Type.Optional(description), permissions: Type.Optional(permissions) }),
  response: role,
  hasEtag: true,
})

/** Removes a role that nobody holds. */
export const deleteRole = defineRoute({
  method: 'DELETE',
  path: '/roles/{role}',
  tag: 'roles',
  summary: 'Remove a role that no grant gives.',
  demand: { permission: 'role:delete', on: 'system' },
  params,
  hasEtag: true,
})

/** What roles are made of. */
export const listPermissions = defineRoute({
  method: 'GET',
  path: '/permissions',
  tag: 'roles',
  summary: 'List every permission with the widest place that it is asked at.',
  demand: { who: 'signed-in' },
  response: strictObject({
    items: Type.Array(
      strictObject({
        permission: Type.String(),
        resource: Type.String(),
        action: Type.String(),
        level: Type.Enum(['system', 'project', 'repository']),
      }),
    ),
  }),
})

/** For routes/all.ts. */
export const roleContracts: readonly RouteContract[] = [listRoles, createRole, readRole, updateRole, deleteRole, listPermissions]
