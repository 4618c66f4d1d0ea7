/**
 * Signing in at an OpenID Connect provider: there and back (OpenID Connect Core 1.0 §3.1, with PKCE, RFC 7636, and the issuer in the response, RFC 9207).
 *
 * The problem: what comes back travels through the browser, so it may be somebody else's, old, or made up. The way: state, nonce and PKCE verifier are sealed in
 * a row of `sessions` that only the cookie of this browser finds, good for ten minutes and one return; the ID token's signature, issuer, audience and
 * nonce are checked by openid-client; the account is the one that (issuer, subject) is linked with, whatever name or address the token bears.
 */
import type { IDToken } from 'openid-client'
import type { Who } from '#events/event.ts'
import { findIdentity } from '#metadata/identities.ts'
import { hasSecondFactor } from '#metadata/second-factors.ts'
import { findUserFacts } from '#metadata/account-facts.ts'
import { RegistryError } from '#oci/errors.ts'
import { linkIdentity } from './identities.ts'
import { identityOfClaims, isInRequiredGroup, lacksClaims } from './oidc-claims.ts'
import { unavailable, type OidcClient, type OidcClients } from './oidc-clients.ts'
import { onboard, withdraw, type OnboardedAccount } from './onboard.ts'
import { refusedSignIn, signInFacts, withFacts } from './refused-sign-in.ts'
import type { ExternalIdentity } from './password-provider.ts'
import {
  createSession,
  dropSession,
  elevationMs,
  findOpenSession,
  findSession,
  proveSession,
  requireOpenSession,
  type FreshSession,
  type OpenSession,
  type SessionData,
} from './sessions.ts'

/** What somebody goes to the provider for: to sign in, to link what it knows of them to their account, to show again who they are. */
export type OidcPurpose = 'sign-in' | 'link' | 'elevation'

/** Where the way to the provider begins. */
export interface OidcStart {
  readonly provider: string
  readonly purpose: OidcPurpose
  /** This site's callback, absolute; registered at the provider. */
  readonly redirectUri: string
  /** Local path, judged by parseReturnPath. */
  readonly returnTo: string
  /** Of whoever is signed in already, for all purposes but `sign-in`. */
  readonly sessionId?: number | undefined
}

interface Pending extends OidcStart {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  readonly startedAt: number
}

const pendingContext = 'session/redirected'
const nameContext = 'session/name'
const idTokenContext = 'session/id-token'
/** Longer ones are no hint worth keeping. */
const idTokenMax = 16 * 1024
/** How old an authentication may be that counts as made for this elevation: typing a password and a second factor takes a while. */
const freshSeconds = 300

/** The provider's page, and the value of the cookie that the way back is bound to. */
export async function startOidc(
  clients: OidcClients,
  start: OidcStart,
  who: Who,
): Promise<{ readonly url: string; readonly cookie: FreshSession }> {
  const { library, configuration, settings, provider } = await clients.client({ name: start.provider })
  const { directory } = clients
  const [state, nonce, verifier] = [library.randomState(), library.randomNonce(), library.randomPKCECodeVerifier()]
  const pending: Pending = { ...start, state, nonce, verifier, startedAt: directory.ports.clock.now() }
  const sealed = directory.secrets.seal(JSON.stringify(pending), pendingContext).toString('base64')
  const opening = { state: 'redirected', providerId: provider.id, data: { pending: sealed }, isFresh: false } as const
  const cookie = await createSession(directory, opening, who)
  const url = library.buildAuthorizationUrl(configuration, {
    redirect_uri: start.redirectUri,
    scope: [...new Set(['openid', ...settings.scopes])].join(' '),
    response_type: 'code',
    state,
    nonce,
    code_challenge: await library.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...(start.purpose === 'elevation' ? { prompt: 'login', max_age: String(freshSeconds) } : {}),
  })
  return { url: url.href, cookie }
}

/** What the browser comes back with. */
export interface OidcReturn {
  readonly provider: string
  /** The query of the callback, `?` included. */
  readonly search: string
  /** The cookie that {@link startOidc} gave; undefined: none came. */
  readonly cookie: string | undefined
  /** Of the session that the browser has, if any. */
  readonly session: string | undefined
}

/** How it ended. `session` is the cookie to set; undefined: the one the browser has stays. */
export interface OidcOutcome {
  readonly returnTo: string
  readonly session: FreshSession | undefined
}

/**
 * Takes the browser back. Throws REQUEST_INVALID, UNAUTHORIZED, DENIED and UNAVAILABLE, each with a sentence for the person; a refusal has what is known of it, and of
 * whom the provider spoke, as its cause.
 */
export async function finishOidc(clients: OidcClients, back: OidcReturn, who: Who): Promise<OidcOutcome> {
  const client = await clients.client({ name: back.provider })
  const facts = { provider: client.provider }
  const pending = await takePending(clients, client, back.cookie).catch((error: unknown) =>
    withFacts(error, () => signInFacts(clients.directory, facts)),
  )
  const step = pending.purpose
  const { idToken, claims } = await exchangeCode(clients, client, { pending, search: back.search }).catch((error: unknown) =>
    withFacts(error, () => signInFacts(clients.directory, { ...facts, step })),
  )
  const identity = identityOfClaims(claims, client.settings)
  const seen: Seen = { client, pending, identity, claims, idToken, who }
  return await admit(clients, seen, back.session).catch((error: unknown) =>
    withFacts(error, () => signInFacts(clients.directory, { ...facts, step, identity })),
  )
}

/** Somebody whom the provider vouches for. */
async function admit(clients: OidcClients, seen: Seen, browser: string | undefined): Promise<OidcOutcome> {
  const { client, pending, identity, claims, who } = seen
  if (!isInRequiredGroup(claims, client.settings)) {
    await withdraw(clients.directory, { providerId: client.provider.id, identity }, who)
    throw refusedSignIn('required-groups', 'DENIED', 'your identity provider says that you are in none of the groups that may come in here')
  }
  const { returnTo } = pending
  switch (pending.purpose) {
    case 'sign-in':
      return { returnTo, session: await signIn(clients, seen, browser) }
    case 'link':
      await link(clients, seen, browser)
      return { returnTo, session: undefined }
    case 'elevation':
      return { returnTo, session: await elevate(clients, seen, browser) }
  }
}

/** Somebody who has just come back, with what the provider says of them. */
interface Seen {
  readonly client: OidcClient
  readonly pending: Pending
  readonly identity: ExternalIdentity
  readonly claims: IDToken
  readonly idToken: string
  readonly who: Who
}

async function takePending({ directory }: OidcClients, { provider }: OidcClient, cookie: string | undefined): Promise<Pending> {
  const session = cookie === undefined ? undefined : await findOpenSession(directory, cookie)
  if (session?.state !== 'redirected' || session.providerId !== provider.id || session.data.pending === undefined) {
    throw refusedSignIn(
      'not-begun-here',
      'REQUEST_INVALID',
      'this sign-in took too long, was finished already, or began in another browser: start again',
    )
  }
  // One return, whatever it brings.
  await dropSession(directory, session.id)
  return JSON.parse(directory.secrets.open(Buffer.from(session.data.pending, 'base64'), pendingContext)) as Pending
}

async function exchangeCode(
  { directory }: OidcClients,
  { library, configuration, settings, provider }: OidcClient,
  { pending, search }: { readonly pending: Pending; readonly search: string },
): Promise<{ readonly idToken: string; readonly claims: IDToken }> {
  const url = new URL(pending.redirectUri)
  url.search = search
  try {
    const tokens = await library.authorizationCodeGrant(configuration, url, {
      expectedState: pending.state,
      expectedNonce: pending.nonce,
      pkceCodeVerifier: pending.verifier,
      idTokenExpected: true,
      ...(pending.purpose === 'elevation' ? { maxAge: freshSeconds } : {}),
    })
    const claims = tokens.claims()
    if (claims === undefined || tokens.id_token === undefined) throw new Error('no ID token came')
    if (!settings.userInfo || !lacksClaims(claims, settings)) return { idToken: tokens.id_token, claims }
    const info = await library.fetchUserInfo(configuration, tokens.access_token, claims.sub)
    return { idToken: tokens.id_token, claims: { ...info, ...claims } }
  } catch (error) {
    directory.log.warn({ err: describe(error), provider: provider.name }, 'a sign-in at an identity provider failed')
    throw refusalOf(error, library, provider.name)
  }
}

/** What may be logged of the library's errors: their causes hold tokens. */
function describe(error: unknown): Readonly<Record<string, unknown>> {
  const { name, message, code, error: said } = error as { name?: unknown; message?: unknown; code?: unknown; error?: unknown }
  return { name, message, code, said: typeof said === 'string' ? said.slice(0, 100) : undefined }
}

function refusalOf(error: unknown, library: OidcClient['library'], provider: string): RegistryError {
  if (error instanceof library.AuthorizationResponseError) {
    return refusedSignIn('refused-there', 'DENIED', 'the identity provider did not sign you in: start again, or ask its administrators')
  }
  const { name, code } = error as { readonly name?: unknown; readonly code?: unknown }
  const isAway =
    name === 'OutgoingFailed' || name === 'AddressRefused' || code === 'OAUTH_TIMEOUT' || code === 'OAUTH_RESPONSE_IS_NOT_CONFORM'
  if (isAway) return unavailable(provider, error)
  return refusedSignIn(
    'wrong-answer',
    'UNAUTHORIZED',
    'what came back from the identity provider is not the answer to this sign-in: start again',
  )
}

async function signIn(clients: OidcClients, seen: Seen, browser: string | undefined): Promise<FreshSession> {
  const { directory } = clients
  const { client, identity, who } = seen
  const before = browser === undefined ? undefined : await findOpenSession(directory, browser)
  const key = { providerId: client.provider.id, issuer: identity.issuer, subject: identity.subject }
  const known = await findIdentity(directory.metadata.reader, key)
  const { onNewName } = client.settings
  if (known === undefined && onNewName === 'refuse') {
    throw refusedSignIn(
      'not-linked',
      'DENIED',
      'nobody here is linked with this identity: sign in to your account otherwise and link it there, or ask an administrator',
    )
  }
  if (known === undefined && onNewName === 'ask') return await askName(clients, seen, before)
  try {
    const account = await onboard(directory, { providerId: client.provider.id, identity }, who)
    return await openFor(clients, seen, { account, replaces: before?.id })
  } catch (error) {
    const isAboutName = error instanceof RegistryError && (error.code === 'CONFLICT' || error.code === 'REQUEST_INVALID')
    if (known === undefined && isAboutName) return await askName(clients, seen, before)
    throw error
  }
}

/** Keeps what the provider said until the person has chosen a name. */
async function askName({ directory }: OidcClients, seen: Seen, before: OpenSession | undefined): Promise<FreshSession> {
  const kept = JSON.stringify({
    identity: seen.identity,
    idToken: seen.idToken,
    claims: { sid: seen.claims['sid'], auth_time: seen.claims.auth_time },
  })
  const pending = directory.secrets.seal(kept, nameContext).toString('base64')
  const { id: providerId } = seen.client.provider
  return await createSession(directory, { state: 'name', providerId, data: { pending }, isFresh: false, replaces: before?.id }, seen.who)
}

/** Makes the account of somebody who came back without one, under the name they chose. Throws as onboard does, and may be tried again. */
export async function chooseName(clients: OidcClients, session: OpenSession, name: string, who: Who): Promise<FreshSession> {
  const { directory } = clients
  const { state, data, providerId } = session
  if (state !== 'name' || data.pending === undefined || providerId === undefined) {
    throw new RegistryError('CONFLICT', undefined, { message: 'this sign-in does not ask for a name' })
  }
  const client = await clients.client({ id: providerId })
  const kept = JSON.parse(directory.secrets.open(Buffer.from(data.pending, 'base64'), nameContext)) as Pick<
    Seen,
    'identity' | 'idToken' | 'claims'
  >
  const account = await onboard(directory, { providerId, identity: kept.identity, onNewName: name }, who)
  return await openFor(clients, { ...kept, client, who }, { account, replaces: session.id })
}

/** The name that the provider would give, for the form. */
export function proposedName({ directory }: OidcClients, { data }: OpenSession): string {
  if (data.pending === undefined) return ''
  const kept = JSON.parse(directory.secrets.open(Buffer.from(data.pending, 'base64'), nameContext)) as Pick<Seen, 'identity'>
  return kept.identity.name
}

async function openFor(
  { directory }: OidcClients,
  { client, claims, idToken, who }: Omit<Seen, 'pending' | 'identity'>,
  { account, replaces }: { readonly account: OnboardedAccount; readonly replaces: number | undefined },
): Promise<FreshSession> {
  const { reader } = directory.metadata
  const { userId } = account
  const user = await findUserFacts(reader, { id: userId })
  if (user === undefined || user.isDisabled) {
    throw refusedSignIn('disabled-account', 'DENIED', 'your account here is disabled: ask an administrator')
  }
  const sid = typeof claims['sid'] === 'string' ? claims['sid'] : undefined
  const keepsToken = client.settings.logout && idToken.length <= idTokenMax
  const data: SessionData = {
    method: 'oidc',
    ...(sid === undefined ? {} : { sid }),
    ...(keepsToken ? { idToken: directory.secrets.seal(idToken, idTokenContext).toString('base64') } : {}),
  }
  const state = (await hasSecondFactor(reader, userId)) ? 'second-factor' : 'active'
  const at = directory.ports.clock.now()
  // A provider that remembers somebody for weeks does not say that they sit there now. An account of this moment has nothing to guard yet, and where the
  // provider never says so its person must be able to add a second factor, which is asked for instead from then on.
  const isFresh = account.isNew || isProof(client, claims, at - elevationMs)
  return await createSession(directory, { state, user, providerId: client.provider.id, data, isFresh, replaces }, who)
}

/** Whether the person proved themselves to the issuer since that moment. Where it never tells, the operator decides. */
function isProof({ settings }: Seen['client'], { auth_time: provedAt }: Seen['claims'], since: number): boolean {
  return provedAt === undefined ? settings.signInIsProof : provedAt * 1000 > since
}

async function requireStarter(
  clients: OidcClients,
  { pending }: Seen,
  browser: string | undefined,
): Promise<OpenSession & { readonly userId: number }> {
  const session = browser === undefined ? undefined : await findSession(clients.directory, browser)
  if (session !== undefined && session.id === pending.sessionId) return session
  throw refusedSignIn('signed-out', 'UNAUTHORIZED', 'you are no longer signed in as who began this: sign in and start again')
}

async function link(clients: OidcClients, seen: Seen, browser: string | undefined): Promise<void> {
  const session = await requireStarter(clients, seen, browser)
  const { client, identity, who } = seen
  await linkIdentity(clients.directory, { userId: session.userId, providerId: client.provider.id, identity }, who)
}

async function elevate(clients: OidcClients, seen: Seen, browser: string | undefined): Promise<FreshSession> {
  const { directory } = clients
  const session = await requireStarter(clients, seen, browser)
  const { client, identity, claims, pending, who } = seen
  const key = { providerId: client.provider.id, issuer: identity.issuer, subject: identity.subject }
  const known = await findIdentity(directory.metadata.reader, key)
  if (known?.userId !== session.userId) {
    throw refusedSignIn('another-person', 'DENIED', 'this is another person than the one who is signed in here')
  }
  // Clocks of two machines differ; an authentication of before the start is none for it.
  const skewMs = 30_000
  if (!isProof(client, claims, pending.startedAt - skewMs)) {
    throw refusedSignIn(
      'not-asked-again',
      'DENIED',
      'the identity provider did not ask you again who you are: add a second factor here, which can be asked for instead',
    )
  }
  return await proveSession(directory, await requireOpenSession(directory, session.id), 'oidc', who)
}

/** The session's ID token, as a hint for signing out at the provider. */
export function idTokenHint({ directory }: OidcClients, { data }: OpenSession): string | undefined {
  return data.idToken === undefined ? undefined : directory.secrets.open(Buffer.from(data.idToken, 'base64'), idTokenContext)
}
