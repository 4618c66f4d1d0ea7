/** Who a session is of, as its handlers need it. */
import type { Principal } from '#access/principal.ts'
import type { Person } from '#access/second-factors.ts'
import { findOpenSession, requireOpenSession, type OpenSession } from '#access/sessions.ts'
import { relyingParty, type RelyingParty } from '#access/webauthn.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Exchange } from '#http/exchange.ts'
import { originOf } from '#http/locations.ts'
import type { Caller } from './serve-route.ts'
import { readCookie } from './session-cookie.ts'

/** A session whose account is known. */
export type PersonSession = OpenSession & Person

/** The session of this request. Throws CONFLICT for callers who came by another credential: there is nothing of theirs to change. */
export async function requirePerson(exchange: Exchange, { credential }: Principal): Promise<PersonSession> {
  if (credential.kind !== 'session' || credential.id === undefined) {
    throw new RegistryError('CONFLICT', undefined, {
      message: 'this is for people who are signed in by a session: sign in with POST /api/v1/session',
    })
  }
  return personOf(await requireOpenSession(exchange.site.parts.directory, credential.id))
}

/** The sign-in that this browser has under way, or its session; undefined without either. */
export async function browserSession(exchange: Exchange): Promise<OpenSession | undefined> {
  const value = readCookie(exchange, 'session')
  return value === undefined ? undefined : await findOpenSession(exchange.site.parts.directory, value)
}

/** With an account. Throws UNAUTHORIZED without. */
export function personOf(session: OpenSession | undefined): PersonSession {
  if (session?.userId === undefined)
    throw new RegistryError('UNAUTHORIZED', undefined, { message: 'no sign-in is under way, or it took too long: start again' })
  return { ...session, userId: session.userId }
}

/** Names the account in the record of what a sign-in does: its request is still anonymous. */
export function byPerson(who: Caller, { userId, name }: PersonSession): Caller {
  return { ...who, actor: name, actorKey: `user:${userId}` }
}

/** The site as authenticators know it. */
export function partyOf(exchange: Exchange): RelyingParty {
  return relyingParty(requireOrigin(exchange))
}

/** Scheme, host and port by which people reach this server. Throws REQUEST_INVALID when the request does not tell. */
export function requireOrigin(exchange: Exchange): string {
  const origin = originOf(exchange)
  if (origin !== undefined) return origin
  throw new RegistryError('REQUEST_INVALID', undefined, { message: 'the Host header is no host: set http.host' })
}
