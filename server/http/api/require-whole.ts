/** What only a credential without scopes may do. */
import type { Principal } from '#access/principal.ts'
import { RegistryError } from '#oci/errors.ts'

/**
 * Throws DENIED for a token that has scopes. What is one's own takes no permission that a scope could name, so a token for one thing alone, in a CI job say,
 * must not reach it.
 */
export function requireWhole({ rights }: Principal): void {
  if (rights.limits === undefined) return
  throw new RegistryError('DENIED', undefined, { message: 'a token with scopes cannot do this: sign in, or use one without' })
}
