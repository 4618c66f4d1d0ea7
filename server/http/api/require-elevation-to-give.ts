/** Step-up for whoever hands out what takes a step-up to do. */
import { requireElevation } from '#access/elevation.ts'
import type { Principal } from '#access/principal.ts'
import type { Permission } from '#api/permissions.ts'
import { allRouteContracts } from '#api/routes/all.ts'
import type { HttpParts } from '#http/exchange.ts'

/** What routes ask for that want a fresh proof of the person. */
const destructive: ReadonlySet<Permission> = new Set(
  allRouteContracts.flatMap(({ demand, needsElevation }) => (needsElevation === true && 'permission' in demand ? [demand.permission] : [])),
)

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
