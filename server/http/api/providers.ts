/** Identity providers: access/providers.ts and access/provider-tests.ts over HTTP. */
import { isIP } from 'node:net'
import * as tests from '#access/provider-tests.ts'
import * as providers from '#access/providers.ts'
import type { Principal } from '#access/principal.ts'
import { strictObject, type ResponseOf } from '#api/contract.ts'
import {
  settingsChangeSchemas,
  settingsInputSchemas,
  type LdapSettings,
  type OidcSettings,
  type ProviderKind,
  type WorkloadSettings,
} from '#api/provider-settings.ts'
import * as contract from '#api/routes/providers.ts'
import { AddressRefused, createAddressGuard, type AddressGuard } from '#lib/address-guard.ts'
import type { HttpParts } from '#http/exchange.ts'
import { RegistryError } from '#oci/errors.ts'
import { instantOf } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { warningsMember } from './warnings.ts'
import { validated } from './validate.ts'

function present(provider: providers.Provider): ResponseOf<typeof contract.readProvider> {
  const { settings, createdAt, updatedAt } = provider
  // Settings are stored complete for their kind, and the app keeps only what the contract has.
  const shown = settings as ResponseOf<typeof contract.readProvider>['settings']
  return { ...provider, settings: shown, createdAt: instantOf(createdAt), updatedAt: instantOf(updatedAt) }
}

/**
 * Whoever says which directory is believed, or what makes an administrator there, can be anybody: the permission narrows a token, and is not enough
 * without the account of an administrator.
 */
function requireAdministrator({ rights }: Principal): void {
  if (rights.isAdministrator) return
  const message = 'only an administrator may change providers: they decide who signs in as whom'
  throw new RegistryError('DENIED', undefined, { message })
}

function location(name: string): string {
  return `/providers/${encodeURIComponent(name)}`
}

function testParts({ directory, config }: HttpParts): tests.TestParts {
  return { directory, guard: createAddressGuard(config.outgoing.allowedNetworks) }
}

function presentTest({ passed, steps, person }: tests.ProviderTest): ResponseOf<typeof contract.testProvider> {
  return { passed, steps: [...steps], person: person && { ...person, groups: [...person.groups] } }
}

const forms = { input: formsOf(settingsInputSchemas), change: formsOf(settingsChangeSchemas) }

function formsOf(schemas: typeof settingsInputSchemas) {
  return new Map(Object.entries(schemas).map(([kind, settings]) => [kind, strictObject({ settings })]))
}

/** Whether settings are of the kind. Throws REQUEST_INVALID, which speaks of that kind alone. */
function requireSettings(kind: ProviderKind, settings: unknown, form: keyof typeof forms): void {
  validated(forms[form].get(kind), { settings }, 'body')
}

/** With what is to be known of what it was made or changed to. */
async function presentChanged(parts: HttpParts, provider: providers.Provider) {
  return { ...present(provider), ...warningsMember(plainWarning(provider), await unreachedWarning(testParts(parts).guard, provider)) }
}

/** Of a provider at an address that this server asks only where the configuration lists it. Names are not resolved for this. */
async function unreachedWarning(guard: AddressGuard, provider: providers.Provider): Promise<string | undefined> {
  for (const url of askedUrls(provider)) {
    const { hostname = '' } = URL.parse(url) ?? {}
    if (isIP(hostname.replace(/^\[|\]$/g, '')) === 0 && hostname !== 'localhost') continue
    const refusal = await guard.resolve(hostname).then(
      () => undefined,
      (error: unknown) => (error instanceof AddressRefused ? error.message : undefined),
    )
    if (refusal !== undefined) return `nobody comes in by this provider until it can be asked: ${refusal}`
  }
  return undefined
}

function askedUrls({ kind, settings }: providers.Provider): readonly string[] {
  const shown = settings as unknown
  if (kind === 'ldap') return (shown as LdapSettings).urls
  if (kind === 'oidc') return [(shown as OidcSettings).issuer]
  if (kind !== 'workload') return []
  const { issuer, jwks, jwksUrl } = shown as WorkloadSettings
  return jwks === '' ? [jwksUrl === '' ? issuer : jwksUrl] : []
}

/** Of a directory that is asked over the network without TLS: it is sent every password that somebody signs in with. */
function plainWarning({ kind, settings }: providers.Provider): string | undefined {
  if (kind !== 'ldap') return undefined
  const { urls, startTls } = settings as unknown as LdapSettings
  const plain = startTls ? undefined : urls.find((url) => url.startsWith('ldap://') && !isThisMachine(new URL(url).hostname))
  if (plain === undefined) return undefined
  return `passwords go to ${plain} in clear, and whoever is in between reads them: use ldaps://, or startTls`
}

function isThisMachine(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(host)
}

/** Served by the app. */
export const providerRoutes: readonly ServedRoute[] = [
  serve(contract.listProviders, async ({ parts }) => ({ body: { items: (await providers.listProviders(parts.directory)).map(present) } })),
  serve(contract.createProvider, async ({ parts, principal, body, who }) => {
    requireAdministrator(principal)
    const { name, kind, title = name, isEnabled = true, settings } = body
    requireSettings(kind, settings, 'input')
    const provider = await providers.createProvider(parts.directory, { name, kind, title, isEnabled, settings }, { who })
    return { body: await presentChanged(parts, provider), version: provider.version, location: location(name) }
  }),
  serve(contract.readProvider, async ({ parts, params }) => {
    const provider = await providers.readProvider(parts.directory, params.provider)
    return { body: present(provider), version: provider.version }
  }),
  serve(contract.updateProvider, async ({ parts, principal, params, body, ifMatch, who }) => {
    requireAdministrator(principal)
    if (body.settings !== undefined) {
      const { kind } = await providers.readProvider(parts.directory, params.provider)
      requireSettings(kind, body.settings, 'change')
    }
    const update = { name: params.provider, expectedVersion: ifMatch, set: body }
    const provider = await providers.updateProvider(parts.directory, update, { who })
    return { body: await presentChanged(parts, provider), version: provider.version }
  }),
  serve(contract.deleteProvider, async ({ parts, principal, params, query, ifMatch, who }) => {
    requireAdministrator(principal)
    const deletion = { name: params.provider, expectedVersion: ifMatch, force: query.force === true }
    await providers.deleteProvider(parts.directory, deletion, { who })
  }),
  serve(contract.testProvider, async ({ parts, params, body, who }) => ({
    body: presentTest(await tests.testProvider(testParts(parts), params.provider, { ...body, who })),
  })),
  serve(contract.testSettings, async ({ parts, body, who }) => {
    const { kind, settings, provider, ...input } = body
    requireSettings(kind, settings, provider === undefined ? 'input' : 'change')
    return { body: presentTest(await tests.testSettings(testParts(parts), { kind, settings, provider }, { ...input, who })) }
  }),
]
