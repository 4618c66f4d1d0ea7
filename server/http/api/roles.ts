/** Roles: access/roles.ts over HTTP, and the table of permissions. */
import * as roles from '#access/roles.ts'
import type { ResponseOf } from '#api/contract.ts'
import { allPermissions, levelOf, resourceOf } from '#api/permissions.ts'
import * as contract from '#api/routes/roles.ts'
import { actingOf } from './acting-of.ts'
import { instantOrNull } from './page-body.ts'
import { givingOf } from './require-elevation-to-give.ts'
import { serve, type ServedRoute } from './serve-route.ts'

function present(role: roles.Role): ResponseOf<typeof contract.readRole> {
  const { permissions, createdAt, updatedAt } = role
  return { ...role, permissions: [...permissions], createdAt: instantOrNull(createdAt), updatedAt: instantOrNull(updatedAt) }
}

function location(name: string): string {
  return `/roles/${encodeURIComponent(name)}`
}

/** Served by the app. */
export const roleRoutes: readonly ServedRoute[] = [
  serve(contract.listRoles, async ({ parts }) => ({ body: { items: (await roles.listRoles(parts.directory)).map(present) } })),
  serve(contract.createRole, async (call) => {
    const { name, title = name, description = '', permissions } = call.body
    const role = await roles.createRole(call.parts.directory, { name, title, description, permissions }, await givingOf(call))
    return { body: present(role), version: role.version, location: location(name) }
  }),
  serve(contract.readRole, async ({ parts, params }) => {
    const role = await roles.readRole(parts.directory, params.role)
    return { body: present(role), version: role.version }
  }),
  serve(contract.updateRole, async (call) => {
    const { title, description, permissions } = call.body
    const update = { name: call.params.role, expectedVersion: call.ifMatch, set: { title, description, permissions } }
    const role = await roles.updateRole(call.parts.directory, update, await givingOf(call))
    return { body: present(role), version: role.version }
  }),
  serve(contract.deleteRole, async (call) => {
    await roles.deleteRole(call.parts.directory, { name: call.params.role, expectedVersion: call.ifMatch }, actingOf(call))
  }),
  serve(contract.listPermissions, async () => ({
    body: {
      items: allPermissions.map((permission) => {
        const resource = resourceOf(permission)
        return { permission, resource, action: permission.slice(resource.length + 1), level: levelOf(permission) }
      }),
    },
  })),
]
