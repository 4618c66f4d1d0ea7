import type { Principal } from '#access/principal.ts'
import { refuseAnonymous, refuseScope } from '#http/authenticate.ts'
import type { Endpoint } from '#http/endpoint.ts'
import type { TargetedExchange } from '#http/exchange.ts'
import { visibleHere } from '#http/gate.ts'
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
    GET: { demand: 'visible', kind: 'read', run: getCatalog },
    HEAD: { demand: 'visible', kind: 'read', run: getCatalog },
  },
}

/** registry:2's page when nobody asks for one. */
const defaultEntries = 100

const wanted = { permission: 'visible', repository: undefined } as const

async function getCatalog(exchange: TargetedExchange, _route: CatalogRoute, principal: Principal): Promise<void> {
  const { registry, config } = exchange.site.parts
  const maximum = config.limits.catalogEntries
  const n = parsePageSize(exchange.target.query) ?? Math.min(defaultEntries, maximum)
  if (n > maximum) throw new RegistryError('PAGINATION_NUMBER_INVALID', { n, maximum })
  const last = parseLast(exchange.target.query)
  if (lacksScope(principal)) throw refuseScope(exchange, wanted)
  const visibility = await visibleHere(exchange, principal, 'repository:list')
  const { names, more } = await listRepositories(registry, visibility, last === undefined ? { n } : { n, last })
  // Who has not said who they are is told of what is public, and asked for a credential where nothing is.
  if (names.length === 0 && principal.isAnonymous && config.auth.kind !== 'open') throw refuseAnonymous(exchange, wanted)
  const end = names.at(-1)
  const link = more && end !== undefined ? ['Link', nextPage(exchange, '_catalog', { last: end, n: String(n) })] : []
  // What somebody may see is nobody else's to keep.
  respondJson(exchange, { repositories: names }, ['Cache-Control', 'private, no-cache', ...link])
}

/** A bearer token must be for the catalog (`registry:catalog:*`), or its client is not sent for one that is. */
function lacksScope({ credential, rights }: Principal): boolean {
  if (credential.kind !== 'bearer' || rights.limits === undefined) return false
  return !rights.limits.some(({ permissions, scope }) => scope.kind === 'everything' && permissions.has('repository:list'))
}
