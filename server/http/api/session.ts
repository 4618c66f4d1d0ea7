/** Signing in and out, stepping up, one's own sessions: access/sessions.ts and what leads to a session, over HTTP. */
import { chooseName } from '#access/oidc-sign-in.ts'
import { challengeAuthenticator, listFactors } from '#access/second-factors.ts'
import * as sessions from '#access/sessions.ts'
import { openByPassword } from '#access/sign-in.ts'
import * as contract from '#api/routes/session.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Exchange } from '#http/exchange.ts'
import { oidcOf } from './oidc-of.ts'
import { instantOf } from './page-body.ts'
import { proveBySecondFactor } from './prove-by-second-factor.ts'
import { requireWhole } from './require-whole.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { cookieOf } from './session-cookie.ts'
import { personOfPassword } from './session-password.ts'
import { browserSession, byPerson, partyOf, personOf, requirePerson, type PersonSession } from './session-person.ts'
import { freshAnswer, viewOf } from './session-view.ts'
import { signOut } from './sign-out.ts'

/** Throws CONFLICT where the second factor must be given instead. */
async function refuseIfFactor(exchange: Exchange, { userId }: PersonSession): Promise<void> {
  const { factors } = await listFactors(exchange.site.parts.directory, userId)
  if (factors.length === 0) return
  throw new RegistryError('CONFLICT', undefined, { message: 'the account has a second factor: give that' })
}

/** Signing in and out. */
const signingIn: readonly ServedRoute[] = [
  serve(contract.readSession, async ({ exchange, principal }) => ({ body: await viewOf(exchange, principal) })),
  serve(contract.signIn, async ({ exchange, parts, body, who }) => {
    // Where there can be no cookie a password is not even looked at.
    cookieOf(exchange, 'session', '')
    const userId = await personOfPassword(exchange, body)
    const before = await browserSession(exchange)
    return await freshAnswer(exchange, await openByPassword(parts.directory, { userId, replaces: before?.id }, who))
  }),
  serve(contract.giveSecondFactor, async ({ exchange, parts, body, who }) => {
    const person = personOf(await browserSession(exchange))
    if (person.state !== 'second-factor')
      throw new RegistryError('CONFLICT', undefined, { message: 'this sign-in asks for no second factor' })
    await proveBySecondFactor(exchange, person, body)
    return await freshAnswer(exchange, await sessions.proveSession(parts.directory, person, body.kind, byPerson(who, person)))
  }),
  serve(contract.challengeFactor, async ({ exchange, parts }) => {
    const options = await challengeAuthenticator(parts.directory, personOf(await browserSession(exchange)), partyOf(exchange))
    if (options === undefined) throw new RegistryError('CONFLICT', undefined, { message: 'the account has no passkey and no security key' })
    return { body: options }
  }),
  serve(contract.chooseName, async ({ exchange, parts, body, who }) => {
    const half = await browserSession(exchange)
    if (half === undefined) throw new RegistryError('UNAUTHORIZED', undefined, { message: 'the sign-in took too long: start again' })
    return await freshAnswer(exchange, await chooseName(oidcOf(parts), half, body.name, who))
  }),
  serve(contract.signOut, async ({ exchange, who }) => {
    const { headers, logoutUrl } = await signOut(exchange, who)
    return { body: logoutUrl === undefined ? {} : { logoutUrl }, headers }
  }),
]

/** Stepping up, and the list of sessions. */
const signedIn: readonly ServedRoute[] = [
  serve(contract.elevateSession, async ({ exchange, parts, principal, body, who }) => {
    const person = await requirePerson(exchange, principal)
    if (body.kind === 'password') {
      await refuseIfFactor(exchange, person)
      const userId = await personOfPassword(exchange, { name: person.name, password: body.password })
      if (userId !== person.userId) throw new RegistryError('UNAUTHORIZED')
    } else {
      await proveBySecondFactor(exchange, person, body)
    }
    return await freshAnswer(exchange, await sessions.proveSession(parts.directory, person, body.kind, who))
  }),
  serve(contract.listSessions, async ({ parts, principal }) => {
    const { id: userId, credential } = principal
    if (principal.kind !== 'user' || userId === undefined) return { body: { items: [] } }
    const rows = await sessions.listSessions(parts.directory, userId)
    return {
      body: {
        items: rows.map((row) => ({
          id: row.id,
          isCurrent: credential.kind === 'session' && credential.id === row.id,
          address: row.address,
          userAgent: row.userAgent,
          createdAt: instantOf(row.createdAt),
          lastSeenAt: instantOf(row.lastSeenAt),
          expiresAt: instantOf(row.expiresAt),
        })),
      },
    }
  }),
  serve(contract.endSession, async ({ parts, principal, params, who }) => {
    const { id: userId, name, kind } = principal
    if (kind !== 'user' || userId === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
    requireWhole(principal)
    await sessions.endSession(parts.directory, { id: params.session, userId, name }, who)
  }),
  serve(contract.endSessions, async ({ parts, principal, query, who }) => {
    const { id: userId, name, kind, credential } = principal
    if (kind !== 'user' || userId === undefined) return
    requireWhole(principal)
    const exceptId = query.keepCurrent === true && credential.kind === 'session' ? credential.id : undefined
    await sessions.endSessions(parts.directory, { userId, name, exceptId }, who)
  }),
]

/** Served by the app. */
export const sessionRoutes: readonly ServedRoute[] = [...signingIn, ...signedIn]
