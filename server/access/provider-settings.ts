/** Settings of providers between caller, row and use: completed with defaults, parted from their secrets, checked beyond their form. */
import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { Value } from 'typebox/value'
import {
  secretMembers,
  settingsChangeSchemas,
  settingsInputSchemas,
  settingsSchemas,
  type LdapSettings,
  type ProviderKind,
  type ProviderSettings,
  type WorkloadSettings,
} from '#api/provider-settings.ts'
import { checkedUrl, isThisMachine } from '#lib/outgoing-http.ts'
import { RegistryError } from '#oci/errors.ts'
import { requireUsableKeyText } from './key-set.ts'
import { normalizeDn } from './ldap-dn.ts'
import { templateFault } from './ldap-filter.ts'

/** Secrets of a provider by the names of the settings; what is absent is not set. */
export type ProviderSecrets = Readonly<Record<string, string>>

/** A secret that is undefined stays as it was, one that is null goes. */
export type SecretChanges = Readonly<Record<string, string | null | undefined>>

const validators = new WeakMap<TSchema, Validator>()

/** Throws REQUEST_INVALID with each member that does not fit. `mayLack`: members without a default may be absent too. */
export function checkInput(kind: ProviderKind, input: unknown, { mayLack = false } = {}): Readonly<Record<string, unknown>> {
  const schema = (mayLack ? settingsChangeSchemas : settingsInputSchemas)[kind]
  const validator = validators.get(schema) ?? Compile(schema)
  validators.set(schema, validator)
  if (validator.Check(input)) return input as Readonly<Record<string, unknown>>
  const errors = validator.Errors(input).slice(0, 20)
  throw invalid(errors.map(({ instancePath, message }) => ({ path: `settings${instancePath}`, message })))
}

/** Stored settings: defaults where nothing is said, secrets left out. The input has been checked. */
export function completeSettings<Kind extends ProviderKind>(kind: Kind, input: Readonly<Record<string, unknown>>): ProviderSettings<Kind> {
  const schema = settingsSchemas[kind]
  const known = Object.entries(input).filter(([name]) => Object.hasOwn(schema.properties, name))
  const nested = Object.keys(schema.properties).filter((name) => Object.hasOwn(schema.properties[name as never], 'properties'))
  const empty = Object.fromEntries(nested.map((name) => [name, {}]))
  return Value.Default(schema, structuredClone({ ...empty, ...Object.fromEntries(known) })) as ProviderSettings<Kind>
}

/** Settings with a change laid over them: members of members one by one, lists as a whole. */
export function mergedSettings<Kind extends ProviderKind>(
  kind: Kind,
  settings: Readonly<Record<string, unknown>>,
  change: Readonly<Record<string, unknown>>,
): ProviderSettings<Kind> {
  const pairs = Object.entries(change).map(([name, value]) => {
    const before = settings[name]
    return [name, isMembers(before) && isMembers(value) ? { ...before, ...value } : value]
  })
  return completeSettings(kind, { ...settings, ...(Object.fromEntries(pairs) as Readonly<Record<string, unknown>>) })
}

/** The secrets that an input says something about. */
export function secretsOf(kind: ProviderKind, input: Readonly<Record<string, unknown>>): SecretChanges {
  return Object.fromEntries(secretMembers[kind].map((name) => [name, input[name] as string | null | undefined]))
}

/** What remains of the secrets after a change. One that would now go somewhere else, or in the clear, and was not given again is forgotten. */
export function changedSecrets(before: ProviderSecrets, changes: SecretChanges, leadsElsewhere: boolean): ProviderSecrets {
  const kept = leadsElsewhere ? {} : before
  const given = Object.entries(changes).filter(([, value]) => value !== undefined)
  const all: Record<string, string | null | undefined> = { ...kept, ...Object.fromEntries(given) }
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

/** Whether a secret would be shown to somebody who did not see it before. */
export function leadsElsewhere(
  kind: ProviderKind,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): boolean {
  const differs = (name: string) => JSON.stringify(before[name]) !== JSON.stringify(after[name])
  if (kind === 'oidc') return ['issuer', 'clientId', 'authorities'].some(differs)
  if (kind !== 'ldap') return false
  const [old, now] = [before as LdapSettings, after as LdapSettings]
  const hasNewServer = now.urls.some((url) => !old.urls.includes(url))
  return (
    hasNewServer ||
    ['bindDn', 'authorities'].some(differs) ||
    (old.startTls && !now.startTls) ||
    (old.verifyCertificate && !now.verifyCertificate)
  )
}

/** Throws REQUEST_INVALID for what fits the schema and yet cannot work: a DN that is none, a filter without its placeholder, a URL that is never asked. */
export async function checkMeaning(kind: ProviderKind, settings: ProviderSettings): Promise<void> {
  const faults = kind === 'ldap' ? await ldapFaults(settings as LdapSettings) : urlFaults(kind, settings)
  const pems = 'authorities' in settings && settings.authorities !== '' && !settings.authorities.includes('-----BEGIN CERTIFICATE-----')
  const all = [...faults, ...(pems ? [{ path: 'settings/authorities', message: 'has no certificate in PEM form' }] : [])]
  if (all.length > 0) throw invalid(all)
}

/** Throws REQUEST_INVALID for keys of which none can verify a token: such a provider lets nobody in. */
export async function checkKeys(kind: ProviderKind, settings: ProviderSettings): Promise<void> {
  if (kind !== 'workload') return
  const { jwks, algorithms } = settings as WorkloadSettings
  if (jwks === '') return
  try {
    await requireUsableKeyText(jwks, algorithms)
  } catch (error) {
    throw invalid([{ path: 'settings/jwks', message: error instanceof Error ? error.message : 'cannot be used' }])
  }
}

interface Fault {
  readonly path: string
  readonly message: string
}

async function ldapFaults(settings: LdapSettings): Promise<readonly Fault[]> {
  const { FilterParser } = await import('ldapts')
  const parse = (filter: string) => FilterParser.parseString(filter)
  const dns = [
    ['searchBase', settings.searchBase],
    ['groups/searchBase', settings.groups.searchBase],
    ...settings.adminGroups.map((dn, index) => [`adminGroups/${index}`, dn] as const),
    ...settings.requiredGroups.map((dn, index) => [`requiredGroups/${index}`, dn] as const),
  ] as const
  const wrong = dns.filter(([path, dn]) => !(dn === '' && path.endsWith('earchBase')) && normalizeDn(dn) === undefined)
  const faults: Fault[] = wrong.map(([path]) => ({
    path: `settings/${path}`,
    message: 'is no distinguished name (ou=people,dc=example,dc=org)',
  }))
  const userFilter = templateFault(settings.userFilter, ['input'], parse)
  if (userFilter !== undefined) faults.push({ path: 'settings/userFilter', message: userFilter })
  const groupFilter = settings.groups.source === 'search' ? templateFault(settings.groups.filter, ['dn', 'name'], parse) : undefined
  if (groupFilter !== undefined) faults.push({ path: 'settings/groups/filter', message: groupFilter })
  for (const name of ['id', 'name'] as const)
    if (settings.attributes[name] === '') faults.push({ path: `settings/attributes/${name}`, message: 'must name an attribute' })
  for (const [name, attribute] of Object.entries(settings.attributes))
    if (!/^[A-Za-z0-9-]*$/.test(attribute)) faults.push({ path: `settings/attributes/${name}`, message: 'is no name of an attribute' })
  for (const [index, url] of settings.urls.entries())
    if (!URL.canParse(url) || new URL(url).username !== '')
      faults.push({ path: `settings/urls/${index}`, message: 'is no URL of a server' })
  return faults
}

function urlFaults(kind: ProviderKind, settings: ProviderSettings): readonly Fault[] {
  const urls = Object.entries(settings).filter(
    ([name, value]) => (name === 'issuer' && kind !== 'certificate') || (name === 'jwksUrl' && value !== ''),
  )
  return urls.flatMap(([name, value]) => {
    if (kind === 'workload' && name === 'issuer') {
      // A name and no more when the keys are given, as Kubernetes' often is.
      if (hasKeys(settings)) return []
      if (!/^https?:/.test(String(value))) return [{ path: 'settings/issuer', message: 'is no URL: give jwksUrl or jwks' }]
    }
    const faults =
      kind === 'oidc' && name === 'issuer' ? [...urlFault(String(value)), ...sharedIssuerFault(String(value))] : urlFault(String(value))
    return faults.map((message) => ({ path: `settings/${name}`, message }))
  })
}

/** Entra's addresses for several tenants at once: the tokens name another issuer each, so that none would be believed. */
function sharedIssuerFault(url: string): readonly string[] {
  const { hostname = '', pathname = '' } = URL.parse(url) ?? {}
  const [, tenant = ''] = /^\/+(common|organizations|consumers)(?:\/|$)/i.exec(pathname) ?? []
  if (tenant === '' || !entraHosts.has(hostname)) return []
  return [`names no tenant, and ${tenant.toLowerCase()} has no issuer of its own: write the id of your tenant in its place`]
}

const entraHosts: ReadonlySet<string> = new Set([
  'login.microsoftonline.com',
  'login.microsoft.com',
  'login.windows.net',
  'sts.windows.net',
  'login.microsoftonline.us',
  'login.partner.microsoftonline.cn',
  'login.chinacloudapi.cn',
])

function hasKeys(settings: ProviderSettings): boolean {
  return 'jwks' in settings && (settings.jwks !== '' || settings.jwksUrl !== '')
}

function urlFault(url: string): readonly string[] {
  try {
    // Plain http is for development on one machine: elsewhere whoever is in between could sign people in.
    const checked = checkedUrl(url, { allowHttp: true })
    return checked.protocol === 'https:' || isThisMachine(checked) ? [] : ['must begin with https://: http is for this very machine']
  } catch (error) {
    return [error instanceof Error ? error.message : 'is no URL']
  }
}

function isMembers(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(faults: readonly Fault[]): RegistryError {
  const [first] = faults
  return new RegistryError('REQUEST_INVALID', faults, {
    message: first === undefined ? 'the settings do not fit' : `${first.path} ${first.message}`,
  })
}
