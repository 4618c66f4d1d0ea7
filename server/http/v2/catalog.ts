import type { Principal } from '#access/principal.ts'
import type { Endpoint } from '#http/endpoint.ts'
import type { TargetedExchange } from '#http/exchange.ts'
import { nextPage } from '#http/locations.ts'
import { respondJson } from '#http/respond.ts'
import type { CatalogRoute } from '#http/router.ts'
import { parseLast, parsePageSize } from '#http/target.ts'
import { RegistryError } from '#oci/errors.ts'
import { listRepositories } from '#registry/list-repositories.ts'

/** `/v2/_catalog` of Docker's API: the repositories that the caller may see. */
export const catalog: Endpoint<CatalogRoute> = {
  name: 'catalog',
  operations: {
    GET: { action: 'catalog', kind: 'read', run: getCatalog },
    HEAD: { action: 'catalog', kind: 'read', run: getCatalog },
  },
}

/** registry:2's page when nobody asks for one. */
const defaultEntries = 100

async function getCatalog(exchange: TargetedExchange, _route: CatalogRoute, principal: Principal): Promise<void> {
  const { registry, access, config } = exchange.site.parts
  const maximum = config.limits.catalogEntries
  const n = parsePageSize(exchange.target.query) ?? Math.min(defaultEntries, maximum)
  if (n > maximum) throw new RegistryError('PAGINATION_NUMBER_INVALID', { n, maximum })
  const last = parseLast(exchange.target.query)
  const { names, more } = await listRepositories(registry, access.visibility(principal), last === undefined ? { n } : { n, last })
  const end = names.at(-1)
  const link = more && end !== undefined ? ['Link', nextPage(exchange, '_catalog', { last: end, n: String(n) })] : []
  // What somebody may see is nobody else's to keep.
  respondJson(exchange, { repositories: names }, ['Cache-Control', 'private, no-cache', ...link])
}
