/** Who calls the management API: by Authorization, by the cookie of a session, or by a client certificate. */
import type { Principal } from '#access/principal.ts'
import type { RouteContract } from '#api/contract.ts'
import { notePasswordLogin } from '#http/note-refusal.ts'
import { requesterOf, whoOf } from '#http/requester.ts'
import type { Exchange } from '#http/exchange.ts'
import { refuseCrossSite } from './cross-site.ts'
import type { Caller } from './serve-route.ts'
import { readCookie } from './session-cookie.ts'

/** Throws what `Access.authenticate` throws, and DENIED for what a page of another site asks for. Keeps the principal for the log. */
export async function authenticateCaller(
  exchange: Exchange,
  _contract: RouteContract,
): Promise<{ readonly principal: Principal; readonly who: Caller }> {
  refuseCrossSite(exchange)
  const { access } = exchange.site.parts
  const principal = await access.authenticate({ ...requesterOf(exchange), session: readCookie(exchange, 'session') })
  exchange.notes.principal = principal
  notePasswordLogin(exchange, principal)
  return { principal, who: whoOf(exchange, principal) }
}
