/**
 * Step-up for whoever hands out what takes a step-up to do.
 *
 * A session that was left open is asked for a fresh proof before it deletes accounts or changes providers, and a token without scopes does neither. Whatever
 * they could make without a proof that then does the same (a token, a robot or its secret, a trust, a grant, a role, a member of a group, an administrator)
 * is a way around that, so making it asks as well. What a role holds is known in the transaction that writes: there access/given-rights.ts compares it.
 */
import type { Acting } from '#access/acting.ts'
import { requireElevation, unprovedOf } from '#access/elevation.ts'
import type { Principal } from '#access/principal.ts'
import type { Permission } from '#api/permissions.ts'
import { allRouteContracts } from '#api/routes/all.ts'
import type { HttpParts } from '#http/exchange.ts'
import { actingOf } from './acting-of.ts'
import type { Caller } from './serve-route.ts'

/** What routes ask for that want a fresh proof of the person, moving content into a project where others may destroy it, and removing a group with what it gave. */
const destructive: ReadonlySet<Permission> = new Set<Permission>([
  ...allRouteContracts.flatMap(({ demand, needsElevation }) =>
    needsElevation === true && 'permission' in demand ? [demand.permission] : [],
  ),
  'repository:move',
  'group:delete',
])

/**
 * A token may do what its scopes name without being asked again, so a session that was left open must not make one that names what the session itself
 * would have to prove itself for. Throws ELEVATION_REQUIRED.
 */
export async function requireElevationToGive(
  { directory }: HttpParts,
  principal: Principal,
  permissions: readonly Permission[],
): Promise<void> {
  for (const permission of new Set(permissions)) if (destructive.has(permission)) await requireElevation(directory, principal, permission)
}

/** The caller as the verbs want it that give rights away, or the use of them. */
export async function givingOf(call: { readonly parts: HttpParts; readonly principal: Principal; readonly who: Caller }): Promise<Acting> {
  const found = await unprovedOf(call.parts.directory, call.principal, [...destructive])
  const unproved = found && { ...found, permissions: withLeading(found.permissions) }
  return { ...actingOf(call), ...(unproved !== undefined && { unproved }) }
}

/** Whoever makes a project is the administrator of it: to be given `project:create` is to come to hold `project:delete`. */
function withLeading(permissions: readonly Permission[]): readonly Permission[] {
  return permissions.includes('project:delete') ? [...permissions, 'project:create'] : permissions
}
