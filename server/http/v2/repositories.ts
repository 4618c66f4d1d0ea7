import type { Endpoint } from '#http/endpoint.ts'
import { actorOf } from '#http/exchange.ts'
import { respond } from '#http/respond.ts'
import type { RepositoryRoute } from '#http/router.ts'
import { deleteRepository } from '#registry/delete-repository.ts'

/** `/v2/<name>`, with or without a slash behind it: the repository as a whole. Berth's own; the specification has no way to remove one. */
export const repository: Endpoint<RepositoryRoute> = {
  name: 'repository',
  operations: {
    DELETE: {
      demand: 'repository:delete',
      kind: 'delete',
      run: async (exchange, route) => {
        await deleteRepository(exchange.site.parts.registry, route.repository, actorOf(exchange))
        respond(exchange, 202, [])
      },
    },
  },
}
