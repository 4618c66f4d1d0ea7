/** Identity providers and the browser: sign-in there, back, and the identities that it links. */
import { isCertificateProvider, linkCertificate } from '#access/certificates.ts'
import { listIdentities, unlinkIdentity } from '#access/identities.ts'
import { endByLogoutToken } from '#access/oidc-logout.ts'
import { finishOidc, startOidc, type OidcOutcome, type OidcStart } from '#access/oidc-sign-in.ts'
import { refusedFactsOf } from '#access/refused-credential.ts'
import { parseReturnPath } from '#access/return-path.ts'
import { listFactors } from '#access/second-factors.ts'
import { findOpenSession } from '#access/sessions.ts'
import { namesOfProviders } from '#access/sign-in-providers.ts'
import * as contract from '#api/routes/session.ts'
import { RegistryError } from '#oci/errors.ts'
import { peerCertificate } from '#http/client-certificate.ts'
import type { Exchange, HttpParts } from '#http/exchange.ts'
import { noteRefusedCredential } from '#http/note-refusal.ts'
import { portalSignIn } from '#http/portal.ts'
import { oidcOf } from './oidc-of.ts'
import { instantOf } from './page-body.ts'
import { serve, type Caller, type ServedRoute } from './serve-route.ts'
import { cookieOf, noCookie, readCookie } from './session-cookie.ts'
import { requireOrigin, requirePerson } from './session-person.ts'

/** Where somebody is sent to a provider from. */
export interface ProviderStart extends Pick<OidcStart, 'provider' | 'purpose' | 'sessionId'> {
  /** As the caller gave it. */
  readonly returnTo: string | undefined
}

/** Where to send the browser, and what to set in it. */
export interface ProviderPage {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** The provider's page, and the cookie for the way back. Throws REQUEST_INVALID for a way back that leads to another site. */
export async function startAtProvider(exchange: Exchange, { returnTo, ...wanted }: ProviderStart, who: Caller): Promise<ProviderPage> {
  const { parts } = exchange.site
  const { prefix } = parts.config.http
  const path = parseReturnPath(returnTo ?? `${prefix}sign-in`)
  if (path === undefined) {
    throw new RegistryError('REQUEST_INVALID', undefined, { message: 'returnTo is not a path of this site: it begins with one slash' })
  }
  cookieOf(exchange, 'sign-in', '')
  const redirectUri = `${requireOrigin(exchange)}${prefix}api/v1/session/oidc/${encodeURIComponent(wanted.provider)}/callback`
  const { url, cookie } = await startOidc(oidcOf(parts), { ...wanted, redirectUri, returnTo: path }, who)
  return { url, headers: { 'set-cookie': cookieOf(exchange, 'sign-in', cookie.value) } }
}

/** Where the browser goes now: what the sign-in still misses is asked for by a page first. */
async function onward(parts: HttpParts, { returnTo, session }: OidcOutcome): Promise<string> {
  const found = session === undefined ? undefined : await findOpenSession(parts.directory, session.value)
  if (found === undefined || found.state === 'active') return returnTo
  // The portal's page takes a passkey, for which the others would need a script.
  const inPortal = portalSignIn(parts, returnTo)
  if (inPortal !== undefined) return inPortal
  const step = `${parts.config.http.prefix}sign-in`
  return returnTo === step ? step : `${step}?${new URLSearchParams({ returnTo }).toString()}`
}

/** Throws the error again. A provider that is not there, or cannot be asked, refuses nobody. */
function noteRefusedSignIn(exchange: Exchange, error: unknown): never {
  if (error instanceof RegistryError && refusedFactsOf(error) !== undefined)
    noteRefusedCredential(exchange, { action: 'login.failed', name: '' }, error)
  throw error
}

function searchOf({ request }: Exchange): string {
  const url = request.url ?? ''
  const mark = url.indexOf('?')
  return mark < 0 ? '' : url.slice(mark)
}

/** Served by the app. */
export const sessionProviderRoutes: readonly ServedRoute[] = [
  serve(contract.startOidc, async ({ exchange, params, query, who }) => {
    const { url, headers } = await startAtProvider(
      exchange,
      { provider: params.provider, purpose: 'sign-in', returnTo: query.returnTo },
      who,
    )
    return { body: undefined, status: 303, headers: { ...headers, location: url } }
  }),
  serve(contract.finishOidc, async ({ exchange, parts, params, who }) => {
    const cookie = readCookie(exchange, 'sign-in')
    const session = readCookie(exchange, 'session')
    const back = { provider: params.provider, search: searchOf(exchange), cookie, session }
    const outcome = await finishOidc(oidcOf(parts), back, who).catch((error: unknown) => noteRefusedSignIn(exchange, error))
    const cookies = [
      noCookie(exchange, 'sign-in'),
      outcome.session === undefined ? undefined : cookieOf(exchange, 'session', outcome.session.value),
    ].filter((each) => each !== undefined)
    return { body: undefined, status: 303, headers: { location: await onward(parts, outcome), 'set-cookie': cookies } }
  }),
  serve(contract.backchannelLogout, async ({ parts, params, body, who }) => {
    await endByLogoutToken(oidcOf(parts), { provider: params.provider, token: body.logout_token }, who)
  }),
  serve(contract.elevateAtProvider, async ({ exchange, parts, principal, body, who }) => {
    const { id: sessionId, providerId, userId } = await requirePerson(exchange, principal)
    const { factors } = await listFactors(parts.directory, userId)
    if (factors.length > 0) throw new RegistryError('CONFLICT', undefined, { message: 'the account has a second factor: give that' })
    const provider = providerId === undefined ? undefined : (await namesOfProviders(parts.directory)).get(providerId)
    if (provider === undefined) {
      throw new RegistryError('CONFLICT', undefined, { message: 'this session was not opened at an identity provider: give the password' })
    }
    const { url, headers } = await startAtProvider(exchange, { provider, purpose: 'elevation', sessionId, returnTo: body.returnTo }, who)
    return { body: { url }, headers }
  }),
  serve(contract.listIdentities, async ({ parts, principal }) => {
    const { kind, id: userId } = principal
    if (kind !== 'user' || userId === undefined) return { body: { hasPassword: false, items: [] } }
    const { identities, hasPassword } = await listIdentities(parts.directory, userId)
    const names = await namesOfProviders(parts.directory)
    const items = identities.map(({ id, providerId, issuer, subject, attributes, createdAt, refreshedAt }) => ({
      id,
      provider: names.get(providerId) ?? '',
      issuer,
      subject,
      name: attributes.name,
      createdAt: instantOf(createdAt),
      refreshedAt: instantOf(refreshedAt),
    }))
    return { body: { hasPassword, items } }
  }),
  serve(contract.linkIdentity, async ({ exchange, parts, principal, body, who }) => {
    const { id: sessionId, userId } = await requirePerson(exchange, principal)
    if (await isCertificateProvider(parts.directory, body.provider)) {
      const certificate = peerCertificate(exchange.request.socket)
      await linkCertificate(parts.directory, { provider: body.provider, userId, certificate }, who)
      return { body: {} }
    }
    const { url, headers } = await startAtProvider(
      exchange,
      { provider: body.provider, purpose: 'link', sessionId, returnTo: body.returnTo },
      who,
    )
    return { body: { url }, headers }
  }),
  serve(contract.unlinkIdentity, async ({ exchange, parts, principal, params, who }) => {
    const { id: exceptSession, userId } = await requirePerson(exchange, principal)
    await unlinkIdentity(parts.directory, { id: params.identity, userId, exceptSession }, who)
  }),
]
