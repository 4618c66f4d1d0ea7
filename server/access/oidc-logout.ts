/** Signing out, on both sides: by the person, who is then sent to the provider (RP-Initiated Logout 1.0), and by the provider (Back-Channel Logout 1.0). */
import { createRemoteJWKSet, customFetch, jwtVerify, type JWTPayload } from 'jose'
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { findIdentity } from '#metadata/identities.ts'
import { deleteSession, sessionsOfProvider } from '#metadata/sessions.ts'
import { RegistryError } from '#oci/errors.ts'
import type { OidcClient, OidcClients } from './oidc-clients.ts'
import { idTokenHint } from './oidc-sign-in.ts'
import type { OpenSession } from './sessions.ts'

/** Where to send the browser so that it is signed out at the provider too; undefined where there is no such place. Never throws: signing out here goes first. */
export async function providerLogoutUrl(clients: OidcClients, session: OpenSession, backTo: string): Promise<string | undefined> {
  const { providerId } = session
  if (session.data.method !== 'oidc' || providerId === undefined) return undefined
  try {
    const { library, configuration, settings } = await clients.client({ id: providerId })
    if (!settings.logout || configuration.serverMetadata().end_session_endpoint === undefined) return undefined
    const hint = idTokenHint(clients, session)
    const parameters = { post_logout_redirect_uri: backTo, ...(hint === undefined ? {} : { id_token_hint: hint }) }
    return library.buildEndSessionUrl(configuration, parameters).href
  } catch (error) {
    clients.directory.log.warn({ err: error }, 'nobody can be signed out at the identity provider now')
    return undefined
  }
}

const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout'
const clockToleranceSeconds = 30
const tokenAgeMaxSeconds = 600
/** By how much a session may seem younger than a token that ends it, as clocks differ. */
const skewMs = 30_000

interface EndInput {
  readonly ids: readonly number[]
  readonly provider: string
  readonly at: number
  readonly who: Who
}

const endByProvider = accessTransaction(
  import.meta.url,
  'oidc-logout/end',
  async (tx, { ids, provider, at, who }: EndInput): Promise<void> => {
    for (const id of ids) {
      if (!(await deleteSession(tx, { id }))) continue
      await recordEvent(tx, { action: 'session.closed', target: `session:${id}`, detail: { by: 'provider', provider }, at, ...who })
    }
  },
)

/** Ends the sessions that a logout token of the provider names. Throws REQUEST_INVALID for a token that is not one (§2.6 of the specification). */
export async function endByLogoutToken(
  clients: OidcClients,
  said: { readonly provider: string; readonly token: string },
  who: Who,
): Promise<void> {
  const { directory } = clients
  const { reader } = directory.metadata
  const client = await clients.client({ name: said.provider })
  const { sub, sid, iss = '', iat = 0 } = await verifiedToken(client, said.token)
  const providerId = client.provider.id
  const identity = sub === undefined ? undefined : await findIdentity(reader, { providerId, issuer: iss, subject: sub })
  if (sub !== undefined && identity === undefined) return
  const before = iat * 1000 + skewMs
  const ids = await sessionsOfProvider(reader, { providerId, userId: identity?.userId, sid, before })
  if (ids.length > 0) await directory.metadata.write(endByProvider, { ids, provider: said.provider, at: directory.ports.clock.now(), who })
}

const keySets = new WeakMap<OidcClient, ReturnType<typeof createRemoteJWKSet>>()

/** Kept as long as the client, so that tokens which anybody may send cost the provider a request now and then at most. */
function keysOf(client: OidcClient): ReturnType<typeof createRemoteJWKSet> {
  const known = keySets.get(client)
  if (known !== undefined) return known
  const url = client.configuration.serverMetadata().jwks_uri
  if (url === undefined) throw refusal()
  const keys = createRemoteJWKSet(new URL(url), {
    [customFetch]: (at, { headers }) => client.http.fetch(at, { headers, redirect: 'manual' }),
  })
  keySets.set(client, keys)
  return keys
}

async function verifiedToken(client: OidcClient, token: string): Promise<JWTPayload & { readonly sid?: string }> {
  const metadata = client.configuration.serverMetadata()
  const algorithms = (metadata.id_token_signing_alg_values_supported ?? ['RS256']).filter((name) =>
    /^(?:[RPE]S\d{3}|EdDSA|Ed25519)$/.test(name),
  )
  const { payload } = await jwtVerify(token, keysOf(client), {
    issuer: metadata.issuer,
    audience: client.settings.clientId,
    algorithms,
    clockTolerance: clockToleranceSeconds,
    maxTokenAge: tokenAgeMaxSeconds,
    requiredClaims: ['iat', 'events', 'jti'],
  }).catch((cause: unknown) => {
    throw refusal(cause)
  })
  const { events, nonce, sub, sid } = payload
  const isLogout = typeof events === 'object' && events !== null && Object.hasOwn(events, logoutEvent)
  // A nonce would make an ID token of it, which somebody could have caught.
  if (!isLogout || nonce !== undefined || (sid !== undefined && typeof sid !== 'string') || (sub === undefined && sid === undefined))
    throw refusal()
  return { ...payload, ...(sid === undefined ? {} : { sid }) }
}

function refusal(cause?: unknown): RegistryError {
  return new RegistryError('REQUEST_INVALID', undefined, {
    cause,
    message: 'the logout token is not one of this provider for this registry',
  })
}
