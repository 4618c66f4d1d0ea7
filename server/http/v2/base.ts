import type { Endpoint } from '#http/endpoint.ts'
import { respond } from '#http/respond.ts'
import type { BaseRoute } from '#http/router.ts'

const headers = ['Content-Type', 'application/json; charset=utf-8']

/** `/v2/` (end-1): whether this is a registry, and whether the credentials are good. */
export const base: Endpoint<BaseRoute> = {
  name: 'base',
  operations: {
    GET: { demand: 'identity', kind: 'read', run: (exchange) => respond(exchange, 200, headers, '{}') },
    HEAD: { demand: 'identity', kind: 'read', run: (exchange) => respond(exchange, 200, headers, '{}') },
  },
}
