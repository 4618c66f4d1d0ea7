/** Serves api/routes/search.ts. */
import type { Permission } from '#api/permissions.ts'
import * as routes from '#api/routes/search.ts'
import { search, searchKinds, type SearchKind } from '#features/search.ts'
import type { Exchange } from '#http/exchange.ts'
import { visibleHere } from '#http/gate.ts'
import { serve, type ApiCall, type ServedRoute } from './serve-route.ts'

const usualLimit = 10

/** Without the name of this server, as in what people paste from a command line. */
function withoutServer({ request }: Exchange, text: string): string {
  const bare = text.trim().replace(/^https?:\/\//, '')
  const host = `${request.headers.host ?? ''}/`
  return host.length > 1 && bare.toLowerCase().startsWith(host.toLowerCase()) ? bare.slice(host.length) : bare
}

async function rightsOf({ exchange, principal }: Pick<ApiCall<typeof routes.search>, 'exchange' | 'principal'>) {
  const seen = (permission: Permission) => visibleHere(exchange, principal, permission)
  return {
    projects: await seen('project:list'),
    repositories: await seen('repository:list'),
    tags: await seen('tag:list'),
    manifests: await seen('manifest:list'),
    contents: await seen('manifest:read'),
    labels: await seen('label:list'),
    globalLabels: !principal.isAnonymous,
  }
}

/** The search. */
export const searchRoutes: readonly ServedRoute[] = [
  serve(routes.search, async ({ parts, exchange, principal, query }) => {
    const { q, kinds, limit = usualLimit } = query
    const rights = await rightsOf({ exchange, principal })
    const wanted = new Set(kinds === undefined ? searchKinds : (kinds.split(',') as SearchKind[]))
    const found = await search(parts.registry, { text: withoutServer(exchange, q), kinds: wanted, limit, rights })
    return { body: { items: [...found.items], isComplete: found.isComplete } }
  }),
]
