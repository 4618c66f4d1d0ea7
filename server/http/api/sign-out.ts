/** Signing a browser out: here, and where to go to be signed out at the identity provider too. */
import { providerLogoutUrl } from '#access/oidc-logout.ts'
import { dropSession, endSession } from '#access/sessions.ts'
import type { Exchange } from '#http/exchange.ts'
import { oidcOf } from './oidc-of.ts'
import type { Caller } from './serve-route.ts'
import { noCookie } from './session-cookie.ts'
import { browserSession, byPerson, personOf, requireOrigin } from './session-person.ts'

/** What a browser that was signed out is told. */
export interface SignedOut {
  readonly headers: Readonly<Record<string, string>>
  /** At the identity provider; undefined: there is none, or nothing to do there. */
  readonly logoutUrl: string | undefined
}

/** Ends the session of the browser, or the sign-in that it has under way. Does nothing without either. */
export async function signOut(exchange: Exchange, who: Caller): Promise<SignedOut> {
  const { parts } = exchange.site
  const session = await browserSession(exchange)
  const cookie = noCookie(exchange, 'session')
  const headers = cookie === undefined ? {} : { 'set-cookie': cookie }
  if (session === undefined) return { headers, logoutUrl: undefined }
  const logoutUrl = await providerLogoutUrl(oidcOf(parts), session, `${requireOrigin(exchange)}${parts.config.http.prefix}`)
  if (session.state === 'active') {
    const person = personOf(session)
    await endSession(parts.directory, { id: person.id, userId: person.userId, name: person.name }, byPerson(who, person))
  } else await dropSession(parts.directory, session.id)
  return { headers, logoutUrl }
}
