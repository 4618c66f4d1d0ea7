/** The clients of OpenID Connect providers that one server's API uses: made at the first need, so that servers without any load nothing for them. */
import { createOidcClients, type OidcClients } from '#access/oidc-clients.ts'
import { createAddressGuard } from '#lib/address-guard.ts'
import type { HttpParts } from '#http/exchange.ts'

const made = new WeakMap<HttpParts, OidcClients>()

/** The same for every call of a server. Their idle connections keep no process alive. */
export function oidcOf(parts: HttpParts): OidcClients {
  const known = made.get(parts)
  if (known !== undefined) return known
  const clients = createOidcClients(parts.directory, createAddressGuard(parts.config.outgoing.allowedNetworks))
  made.set(parts, clients)
  return clients
}
