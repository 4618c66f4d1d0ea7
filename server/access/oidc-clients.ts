/**
 * Connections to OpenID Connect providers: their discovered configuration and the client that speaks to them.
 *
 * The problem: providers are rows that change while the server runs, their discovery costs a round trip, and the library with all it needs costs
 * memory in processes that never use it. The way: a client is made at the first use of a provider's row in its present version and kept for ten minutes;
 * openid-client is loaded with the first. Every request goes through lib/outgoing-http.ts.
 */
import type * as OpenidClient from 'openid-client'
import type { OidcSettings } from '#api/provider-settings.ts'
import type { AddressGuard } from '#lib/address-guard.ts'
import { createOutgoingHttp, isThisMachine, type OutgoingHttp } from '#lib/outgoing-http.ts'
import { findProviderFacts, type ProviderFacts } from '#metadata/provider-facts.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Directory } from './directory.ts'

/** The library, which is loaded when it is needed. */
export type OidcLibrary = typeof OpenidClient

/** A provider that can be spoken to. */
export interface OidcClient {
  readonly provider: ProviderFacts
  readonly settings: OidcSettings
  readonly library: OidcLibrary
  readonly configuration: OpenidClient.Configuration
  readonly http: OutgoingHttp
}

/** Made once for a process. */
export interface OidcClients extends AsyncDisposable {
  readonly directory: Directory
  /** Throws RESOURCE_UNKNOWN for a provider that is not there, is switched off or is of another kind, UNAVAILABLE when it cannot be asked. */
  client(by: { readonly name: string } | { readonly id: number }): Promise<OidcClient>
}

const keptMs = 10 * 60_000
const keptMax = 100

interface Kept {
  readonly version: number
  readonly until: number
  readonly client: Promise<OidcClient>
}

/** `guard` judges the addresses that providers have. */
export function createOidcClients(directory: Directory, guard: AddressGuard): OidcClients {
  const kept = new Map<number, Kept>()
  const drop = (id: number, entry: Kept) => {
    if (kept.get(id) === entry) kept.delete(id)
    void entry.client.then(({ http }) => http[Symbol.asyncDispose]()).catch(() => undefined)
  }
  return {
    directory,
    async client(by) {
      const provider = await findProviderFacts(directory.metadata.reader, by)
      if (provider?.kind !== 'oidc' || !provider.isEnabled) throw new RegistryError('RESOURCE_UNKNOWN')
      const now = directory.ports.clock.monotonic()
      const known = kept.get(provider.id)
      if (known !== undefined && known.version === provider.version && known.until > now) return await known.client
      if (known !== undefined) drop(provider.id, known)
      const entry: Kept = { version: provider.version, until: now + keptMs, client: connect(directory, guard, provider) }
      const [oldest] = kept
      if (kept.size >= keptMax && oldest !== undefined) drop(...oldest)
      kept.set(provider.id, entry)
      entry.client.catch(() => kept.get(provider.id) === entry && kept.delete(provider.id))
      return await entry.client
    },
    [Symbol.asyncDispose]: async () => {
      for (const [id, entry] of kept) drop(id, entry)
      await Promise.allSettled([...kept.values()].map(({ client }) => client))
    },
  }
}

async function connect({ ports, secrets, log }: Directory, guard: AddressGuard, provider: ProviderFacts): Promise<OidcClient> {
  const settings = provider.settings as OidcSettings
  const issuer = new URL(settings.issuer)
  const allowHttp = isThisMachine(issuer)
  const http = createOutgoingHttp({ guard, timers: ports.timers, authorities: settings.authorities, allowHttp })
  try {
    const library = await import('openid-client')
    const clientSecret = secretOf(provider, secrets)
    const configuration = await library.discovery(issuer, settings.clientId, {}, authentication(library, settings, clientSecret), {
      [library.customFetch]: (url, init) => http.fetch(url, { ...init, body: init.body ?? null }),
      // Its signature is checked though it came by TLS: a proxy in between is not the provider.
      execute: [library.enableNonRepudiationChecks, ...(allowHttp ? [library.allowInsecureRequests] : [])],
    })
    requireSameIssuer(configuration.serverMetadata().issuer, settings)
    return { provider, settings, library, configuration, http }
  } catch (cause) {
    await http[Symbol.asyncDispose]()
    log.warn({ err: cause, provider: provider.name }, 'an identity provider cannot be asked')
    throw unavailable(provider.name, cause)
  }
}

/** The library takes a URL that is read alike; accounts are linked with what tokens say, to the letter, and so one provider must say it. */
function requireSameIssuer(said: string, { issuer }: OidcSettings): void {
  if (said !== issuer) throw new Error(`the issuer calls itself ${JSON.stringify(said)}: issuer must be written exactly as it writes it`)
}

function secretOf(provider: ProviderFacts, secrets: Directory['secrets']): string {
  if (provider.secrets === undefined) return ''
  const opened = JSON.parse(secrets.open(provider.secrets, `provider/${provider.id}`)) as { readonly clientSecret?: unknown }
  return typeof opened.clientSecret === 'string' ? opened.clientSecret : ''
}

function authentication(library: OidcLibrary, { clientAuthentication }: OidcSettings, clientSecret: string) {
  if (clientAuthentication === 'none' || clientSecret === '') return library.None()
  return clientAuthentication === 'client_secret_post' ? library.ClientSecretPost(clientSecret) : library.ClientSecretBasic(clientSecret)
}

/** The provider cannot be asked now; why is in the log. */
export function unavailable(name: string, cause: unknown): RegistryError {
  return new RegistryError('UNAVAILABLE', undefined, {
    cause,
    message: `the identity provider ${name} cannot be asked now`,
    retryAfterSeconds: 10,
  })
}
