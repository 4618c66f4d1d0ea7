/** An LDAP directory as a {@link PasswordProvider}: what it finds becomes an identity, what it refuses a line in the log. */
import type { LdapSettings } from '#api/provider-settings.ts'
import type { Logger } from '#lib/logger.ts'
import { RegistryError } from '#oci/errors.ts'
import { accountNameFrom } from './account-name.ts'
import { LdapDirectory, type LdapFinding } from './ldap-directory.ts'
import { normalizeDn } from './ldap-dn.ts'
import { failureOf, type LdapFailure } from './ldap-failures.ts'
import type { LdapGroups } from './ldap-groups.ts'
import type { LdapPerson } from './ldap-person.ts'
import type { LdapServersOptions } from './ldap-servers.ts'
import type { ExternalIdentity, PasswordProvider } from './password-provider.ts'

/** The row that a provider is of. */
export interface LdapProviderRow {
  readonly id: number
  readonly name: string
  readonly version?: number
}

/** A provider with connections to its servers; disposing closes them. */
export interface LdapProvider extends PasswordProvider, Disposable {
  readonly settings: LdapSettings
}

const retryAfterSeconds = 5

/** Connects to nothing until it is asked. */
export function createLdapProvider(row: LdapProviderRow, options: LdapServersOptions, log: Logger): LdapProvider {
  const directory = new LdapDirectory(options)
  const { settings } = options
  const about = log.child({ provider: row.name })
  const judged = (finding: LdapFinding, typed: string) => judge({ finding, settings, typed, log: about })
  const asked = async (question: () => Promise<LdapFinding>) => {
    try {
      return await question()
    } catch (error) {
      throw unavailable(row.name, failureOf(error, 'the directory'), about)
    }
  }
  return {
    id: row.id,
    name: row.name,
    ...(row.version === undefined ? {} : { version: row.version }),
    settings,
    verify: async (name, password) => judged(await asked(() => directory.signIn(name, password)), name),
    knows: async (name) => ['person', 'refused'].includes((await asked(() => directory.lookUp(name))).kind),
    refresh: async ({ issuer, subject }) => {
      // Of other settings, under which another attribute told people apart.
      if (issuer !== issuerOf(settings)) return undefined
      return judged(await asked(() => directory.findAgain(subject)), subject)
    },
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  }
}

/** Which attribute the subject is of: another attribute's value, though it read the same, would be somebody else's. */
export function issuerOf({ attributes }: LdapSettings): string {
  return `ldap:${attributes.id.toLowerCase()}`
}

interface Judgement {
  readonly finding: LdapFinding
  readonly settings: LdapSettings
  readonly typed: string
  readonly log: Logger
}

function judge({ finding, settings, typed, log }: Judgement): ExternalIdentity | undefined {
  switch (finding.kind) {
    case 'nobody':
      log.debug({ user: typed }, 'the directory has nobody of this name')
      return undefined
    case 'several':
      log.warn({ user: typed }, 'the user filter finds several entries, so nobody is let in: make it find one')
      return undefined
    case 'refused':
      log.info({ user: typed, dn: finding.person.dn, reason: finding.refusal.reason }, `not let in: ${finding.refusal.sentence}`)
      return undefined
    case 'person': {
      const identity = identityOf(finding.person, finding.groups, settings)
      if (typeof identity !== 'string') return identity
      log.info({ user: typed, dn: finding.person.dn }, `not let in: ${identity}`)
      return undefined
    }
  }
}

/** What is said of a person, or why they are not let in although they proved who they are. */
export function identityOf(person: LdapPerson, groups: LdapGroups, settings: LdapSettings): ExternalIdentity | string {
  const isInOne = (dns: readonly string[]) => dns.some((dn) => groups.has(normalizeDn(dn) ?? ''))
  if (settings.requiredGroups.length > 0 && !isInOne(settings.requiredGroups)) return 'in none of the required groups'
  const name = accountNameFrom(person.name)
  if (name === undefined) return `no account can be called ${JSON.stringify(person.name)}`
  return {
    issuer: issuerOf(settings),
    subject: person.id,
    name,
    displayName: person.displayName,
    email: person.email,
    groups: [...groups.keys()],
    groupNames: new Map([...groups].map(([key, group]) => [key, group.name])),
    isAdministrator: settings.adminGroups.length === 0 ? undefined : isInOne(settings.adminGroups),
    attributes: { dn: person.dn },
  }
}

function unavailable(name: string, failure: LdapFailure, log: Logger): RegistryError {
  log.warn({ reason: failure.reason, err: failure.cause }, failure.message)
  const message = `the directory ${name} cannot be asked at the moment: try again, or sign in with a local account`
  return new RegistryError('UNAVAILABLE', undefined, { message, retryAfterSeconds, cause: failure })
}
