/** Who the caller is, what they may everywhere, and what their sign-in still misses. */
import { proposedName } from '#access/oidc-sign-in.ts'
import type { Principal } from '#access/principal.ts'
import { listFactors } from '#access/second-factors.ts'
import { findOpenSession, requireOpenSession, type FreshSession, type OpenSession } from '#access/sessions.ts'
import { signInProviders } from '#access/sign-in-providers.ts'
import type { ResponseOf } from '#api/contract.ts'
import { allPermissions, type Permission } from '#api/permissions.ts'
import type { readSession } from '#api/routes/session.ts'
import type { Exchange } from '#http/exchange.ts'
import { requesterOf } from '#http/requester.ts'
import { oidcOf } from './oidc-of.ts'
import { instantOf } from './page-body.ts'
import { cookieOf } from './session-cookie.ts'
import { browserSession } from './session-person.ts'

/** The body that every step of signing in answers with. */
export type SessionView = ResponseOf<typeof readSession>

/** Of the caller as the request shows them. */
export async function viewOf(exchange: Exchange, principal: Principal): Promise<SessionView> {
  return principal.isAnonymous ? await halfView(exchange, principal, await browserSession(exchange)) : await wholeView(exchange, principal)
}

/** Of the session that this answer gives the browser, with its cookie. */
export async function freshAnswer(
  exchange: Exchange,
  { value }: FreshSession,
): Promise<{ readonly body: SessionView; readonly headers: Readonly<Record<string, string>> }> {
  const { access, directory } = exchange.site.parts
  const headers = { 'set-cookie': cookieOf(exchange, 'session', value) }
  const principal = await access.authenticate({
    ...requesterOf(exchange),
    authorization: undefined,
    certificate: undefined,
    session: value,
  })
  if (!principal.isAnonymous) return { body: await wholeView(exchange, principal), headers }
  return { body: await halfView(exchange, principal, await findOpenSession(directory, value)), headers }
}

async function halfView(exchange: Exchange, principal: Principal, half: OpenSession | undefined): Promise<SessionView> {
  const { parts } = exchange.site
  const view = {
    credential: 'none',
    permissions: await permissionsOf(exchange, principal),
    providers: [...(await signInProviders(parts.directory))],
    secondFactors: [],
  }
  if (half?.state === 'second-factor' && half.userId !== undefined) {
    return { ...view, state: 'second-factor', secondFactors: await kindsOf(exchange, half.userId) }
  }
  if (half?.state === 'name') return { ...view, state: 'name', proposedName: proposedName(oidcOf(parts), half) }
  return { ...view, state: 'anonymous' }
}

async function wholeView(exchange: Exchange, principal: Principal): Promise<SessionView> {
  const { id, name, kind, rights, credential } = principal
  const user = { name, kind: kind === 'anonymous' ? 'external' : kind, isAdministrator: rights.isAdministrator } as const
  const isPerson = kind === 'user' && id !== undefined
  return {
    state: 'active',
    user: id === undefined ? user : { ...user, id },
    credential: credential.kind,
    secondFactors: isPerson ? await kindsOf(exchange, id) : [],
    permissions: await permissionsOf(exchange, principal),
    providers: [],
    ...(credential.kind === 'session' && credential.id !== undefined ? { session: await sessionOf(exchange, credential.id) } : {}),
  }
}

async function sessionOf(exchange: Exchange, id: number): Promise<NonNullable<SessionView['session']>> {
  const { directory } = exchange.site.parts
  const { createdAt, expiresAt, elevatedUntil } = await requireOpenSession(directory, id)
  const isElevated = elevatedUntil > directory.ports.clock.now()
  return {
    id,
    createdAt: instantOf(createdAt),
    expiresAt: instantOf(expiresAt),
    elevatedUntil: isElevated ? instantOf(elevatedUntil) : null,
  }
}

async function permissionsOf(exchange: Exchange, principal: Principal): Promise<Permission[]> {
  const { access } = exchange.site.parts
  const held: Permission[] = []
  for (const permission of allPermissions) if (await access.may(principal, permission, 'system')) held.push(permission)
  return held
}

async function kindsOf(exchange: Exchange, userId: number): Promise<('totp' | 'webauthn' | 'recovery')[]> {
  const { factors, codesLeft } = await listFactors(exchange.site.parts.directory, userId)
  const kinds = new Set(factors.map(({ kind }) => kind))
  return [...kinds, ...(codesLeft > 0 ? (['recovery'] as const) : [])]
}
