/** What every answer of the management API carries. */
import type { FastifyReply } from 'fastify'
import type { Exchange } from '#http/exchange.ts'
import { strictTransportSecurity } from '#http/strict-transport-security.ts'

/** Nothing here may be cached, framed, or taken for another type than it says. The operator's own headers come with it. */
export function setStandardHeaders({ requestId, site }: Exchange, reply: FastifyReply): void {
  reply
    .header('X-Request-Id', requestId)
    .header('Cache-Control', 'no-store')
    .header('X-Content-Type-Options', 'nosniff')
    .header('X-Frame-Options', 'DENY')
    .header('Referrer-Policy', 'no-referrer')
  for (const [name, values] of Object.entries(site.parts.config.http.headers)) reply.header(name, [...values])
  const [name, value] = strictTransportSecurity(site.parts.config.http)
  if (name !== undefined) reply.header(name, value)
  if (site.state.isDraining) reply.header('Connection', 'close')
}
