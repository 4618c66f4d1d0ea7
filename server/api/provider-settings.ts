/**
 * Settings of identity providers, by kind: what callers send, what is stored, and what they get back.
 *
 * A secret (`bindPassword`, `clientSecret`) is taken and never given back: the answer has `hasBindPassword` in its place. Every member but the few that
 * have no sensible default may be left out; what is stored is complete. To add a setting, add it to the members of its kind with its default.
 */
import { Type, type Static, type TSchema } from 'typebox'
import { strictObject } from './contract.ts'

export const providerKinds = ['local', 'ldap', 'oidc', 'workload', 'certificate', 'htpasswd'] as const
export type ProviderKind = (typeof providerKinds)[number]

const text = (description: string, byDefault?: string) =>
  Type.String({ maxLength: 2048, description, ...(byDefault === undefined ? {} : { default: byDefault }) })
const flag = (byDefault: boolean, description: string) => Type.Boolean({ default: byDefault, description })
const listOf = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 2048 }), { maxItems: 100, default: [], description })
const within = (minimum: number, maximum: number, facts: { readonly default: number; readonly description: string }) =>
  Type.Integer({ minimum, maximum, ...facts })
const secret = (description: string) => Type.Union([Type.String({ minLength: 1, maxLength: 4096 }), Type.Null()], { description })
const authorities = Type.String({
  maxLength: 262_144,
  default: '',
  description: 'Certificate authorities to trust in place of the well-known ones, PEM.',
})

const ldapAttributes = {
  id: text('Never changes and is never given to somebody else: `entryUUID`, or `objectGUID` of Active Directory.', 'entryUUID'),
  name: text('Becomes the account’s name, lower-cased: `uid`, or `sAMAccountName`.', 'uid'),
  displayName: text('For people.', 'cn'),
  email: text('For people.', 'mail'),
}

const ldapGroups = {
  source: Type.Enum(['memberOf', 'search', 'none'], {
    default: 'memberOf',
    description: 'Where groups are read from: an attribute of the person, a search for groups that have the person, or nowhere.',
  }),
  searchBase: text('Where groups are; empty: as for people.', ''),
  filter: text('Finds the groups of a person: `{dn}` is their DN, `{name}` their account’s name.', '(member={dn})'),
  nested: flag(false, 'Groups of groups count too. Active Directory is asked for them in one search, other servers level by level.'),
  nameAttribute: text('The group’s name for people.', 'cn'),
}

const ldapMembers = {
  urls: Type.Array(Type.String({ maxLength: 512, pattern: '^ldaps?://[^/?#@\\s\\\\]+/?$' }), {
    minItems: 1,
    maxItems: 10,
    description: 'Servers, `ldap://` or `ldaps://`, asked in this order.',
  }),
  startTls: flag(false, 'Turns `ldap://` into TLS before anything is sent.'),
  authorities,
  verifyCertificate: flag(true, 'Off: anybody in between can read passwords.'),
  bindDn: text('The account that searches: a DN, or `name@domain` with Active Directory. Empty: anonymous.', ''),
  searchBase: text('Below which people are.'),
  searchScope: Type.Enum(['sub', 'one'], { default: 'sub', description: 'The whole tree below, or one level.' }),
  userFilter: text('Finds exactly one person: `{input}` is what they typed as name.', '(&(objectClass=inetOrgPerson)(uid={input}))'),
  attributes: strictObject(ldapAttributes),
  groups: strictObject(ldapGroups),
  adminGroups: listOf('DNs of groups whose members administer the registry; empty: accounts’ flags are left alone.'),
  requiredGroups: listOf('DNs of groups of which a person must be in one; empty: everybody who is found.'),
  groupsLifetimeSeconds: within(10, 86_400, {
    default: 300,
    description: 'How long groups count before they are asked for again; after twice as long nobody gets in on old ones.',
  }),
  timeoutMs: within(100, 60_000, { default: 5000, description: 'Deadline for one login or refresh, everything together.' }),
  poolSize: within(1, 50, { default: 4, description: 'Connections that search.' }),
}

const oidcMembers = {
  issuer: Type.String({ maxLength: 2048, pattern: '^https?://', description: 'Its configuration is discovered below this URL.' }),
  clientId: Type.String({ minLength: 1, maxLength: 512 }),
  clientAuthentication: Type.Enum(['client_secret_basic', 'client_secret_post', 'none'], {
    default: 'client_secret_basic',
    description: 'How the registry proves itself; `none` for a public client without a secret.',
  }),
  scopes: Type.Array(Type.String({ pattern: '^[\\x21\\x23-\\x5B\\x5D-\\x7E]{1,200}$' }), {
    maxItems: 50,
    default: ['openid', 'profile', 'email'],
    description: '`openid` is asked for in any case.',
  }),
  nameClaim: text('Becomes the account’s name, lower-cased.', 'preferred_username'),
  displayNameClaim: text('For people.', 'name'),
  emailClaim: text('For people; accounts are never linked by it.', 'email'),
  groupsClaim: text('A list of names, of the ID token or of userinfo; empty: no groups.', 'groups'),
  groupPatterns: listOf('Globs: only groups that fit one of them are taken; empty: all.'),
  adminGroups: listOf('Groups whose members administer the registry; empty: accounts’ flags are left alone.'),
  requiredGroups: listOf('Groups of which a person must be in one; empty: everybody whom the issuer knows.'),
  onNewName: Type.Enum(['create', 'ask', 'refuse'], {
    default: 'create',
    description: 'At the first sign-in: take the name of the claim, ask the person for one, or let in known accounts only.',
  }),
  userInfo: flag(false, 'Asks the userinfo end point for claims that the ID token lacks.'),
  logout: flag(true, 'Signs out at the issuer too, where it offers that.'),
  signInIsProof: flag(
    false,
    'For an issuer that never says when a person proved themselves (`auth_time`): coming back from it counts as such a proof, though it may have asked nothing.',
  ),
  authorities,
}

const workloadMembers = {
  issuer: Type.String({ maxLength: 2048, minLength: 1, description: 'As the tokens’ `iss` says, to the letter.' }),
  jwksUrl: text('Where the keys are; empty: discovered below the issuer.', ''),
  jwks: Type.String({ maxLength: 65_536, default: '', description: 'The keys themselves (JSON), for an issuer that cannot be reached.' }),
  algorithms: Type.Array(Type.Enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']), {
    minItems: 1,
    maxItems: 10,
    default: ['RS256', 'ES256'],
  }),
  clockToleranceSeconds: within(0, 300, { default: 30, description: 'By how much clocks may differ.' }),
  issuerIsOurs: flag(
    false,
    'No stranger can have a token of this issuer: it signs for jobs of your own only, so that a trust need not say whose job it is. Never for GitHub, gitlab.com and others that sign for everybody.',
  ),
  authorities,
}

const certificateMembers = {
  source: Type.Enum(['commonName', 'subject', 'dns', 'email', 'uri'], {
    default: 'commonName',
    description: 'Which part of a client certificate names the account: of the subject, or of the alternative names.',
  }),
  prefix: text('Taken off the front; what does not begin so is nobody.', ''),
  suffix: text('Taken off the end (`@example.com`); what does not end so is nobody.', ''),
  target: Type.Enum(['user', 'robot'], {
    default: 'user',
    description: 'Whose name the certificate bears: a person’s account, or a robot’s login name (`robot-ci@team`).',
  }),
  createsAccounts: flag(
    false,
    'Makes an account of a person at the first sight of a name that is free; else only linked accounts come in.',
  ),
  matchesNames: flag(
    false,
    'Opens the account that has the name already, whoever made it. Only for an authority that gives a name to nobody but the owner of the account.',
  ),
  issuer: text(
    'Only certificates of this issuer, as `openssl x509 -issuer -nameopt RFC2253` writes it; empty: of any that TLS accepts.',
    '',
  ),
}

const htpasswdMembers = {
  path: Type.String({
    minLength: 1,
    maxLength: 255,
    pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]*$',
    description:
      'The file’s name. It lies in the directory `htpasswd.d` beside the database, where only whoever runs the server puts files: a caller of the API cannot have any other file read.',
  }),
  givesEverything: flag(
    false,
    'Every user of the file may do everything on /v2, as in registry:2, and make projects; else they have what they are granted.',
  ),
}

/** As it is kept: the path of the configuration's own file is as it stands there. */
const htpasswdStored = {
  path: text('The file’s name in `htpasswd.d`, or the path of the configuration’s own.'),
  givesEverything: htpasswdMembers.givesEverything,
  isFromConfiguration: flag(false, 'Made from `auth.htpasswd` of the configuration, and changed only there.'),
}

type Members = Readonly<Record<string, TSchema>>

const defaultless: Readonly<Record<string, ReadonlySet<string>>> = {
  ldap: new Set(['urls', 'searchBase']),
  oidc: new Set(['issuer', 'clientId']),
  workload: new Set(['issuer']),
  htpasswd: new Set(['path']),
}

function optional(members: Members, required: ReadonlySet<string> = new Set()) {
  const pairs = Object.entries(members).map(([name, schema]) => [name, required.has(name) ? schema : Type.Optional(schema)])
  return Object.fromEntries(pairs) as Record<string, TSchema>
}

/** What of a kind's settings is secret. */
export const secretMembers: Readonly<Record<ProviderKind, readonly string[]>> = {
  local: [],
  ldap: ['bindPassword'],
  oidc: ['clientSecret'],
  workload: [],
  certificate: [],
  htpasswd: [],
}

/** Stored settings by kind: complete, without secrets. */
export const settingsSchemas = {
  local: strictObject({}),
  ldap: strictObject(ldapMembers),
  oidc: strictObject(oidcMembers),
  workload: strictObject(workloadMembers),
  certificate: strictObject(certificateMembers),
  htpasswd: strictObject(htpasswdStored),
} as const

export type LdapSettings = Static<typeof settingsSchemas.ldap>
export type OidcSettings = Static<typeof settingsSchemas.oidc>
export type WorkloadSettings = Static<typeof settingsSchemas.workload>
export type CertificateSettings = Static<typeof settingsSchemas.certificate>
export type HtpasswdSettings = Static<typeof settingsSchemas.htpasswd>
export type ProviderSettings<Kind extends ProviderKind = ProviderKind> = Static<(typeof settingsSchemas)[Kind]>

type Loose<Settings> = {
  readonly [Name in keyof Settings]?: Settings[Name] extends readonly unknown[] ? Settings[Name] : Partial<Settings[Name]>
}

/** What a caller may send of a kind's settings. A secret that is null is forgotten. */
export interface SettingsInputs {
  readonly local: Readonly<Record<never, never>>
  readonly ldap: Loose<LdapSettings> & { readonly bindPassword?: string | null }
  readonly oidc: Loose<OidcSettings> & { readonly clientSecret?: string | null }
  readonly workload: Loose<WorkloadSettings>
  readonly certificate: Loose<CertificateSettings>
  readonly htpasswd: Loose<Omit<HtpasswdSettings, 'isFromConfiguration'>>
}

const ldapLoose = {
  ...ldapMembers,
  attributes: strictObject(optional(ldapAttributes)),
  groups: strictObject(optional(ldapGroups)),
  bindPassword: secret('Of the account that searches. Kept sealed, never given back; null forgets it.'),
}
const oidcLoose = { ...oidcMembers, clientSecret: secret('Kept sealed, never given back; null forgets it.') }

/** Settings as a caller sends them to change a provider: all may be left out and then stay as they are. */
export const settingsChangeSchemas: Readonly<Record<ProviderKind, TSchema>> = {
  local: strictObject({}),
  ldap: strictObject(optional(ldapLoose)),
  oidc: strictObject(optional(oidcLoose)),
  workload: strictObject(optional(workloadMembers)),
  certificate: strictObject(optional(certificateMembers)),
  htpasswd: strictObject(optional(htpasswdMembers)),
}

/** Settings as a caller sends them for a provider that is made or tested: what has no default must be there. */
export const settingsInputSchemas: Readonly<Record<ProviderKind, TSchema>> = {
  local: strictObject({}),
  ldap: strictObject(optional(ldapLoose, defaultless['ldap'])),
  oidc: strictObject(optional(oidcLoose, defaultless['oidc'])),
  workload: strictObject(optional(workloadMembers, defaultless['workload'])),
  certificate: strictObject(optional(certificateMembers)),
  htpasswd: strictObject(optional(htpasswdMembers, defaultless['htpasswd'])),
}

/** Settings as they are given back. */
export const settingsViewSchemas = {
  local: strictObject({}),
  ldap: strictObject({ ...ldapMembers, hasBindPassword: Type.Boolean() }),
  oidc: strictObject({ ...oidcMembers, hasClientSecret: Type.Boolean() }),
  workload: settingsSchemas.workload,
  certificate: settingsSchemas.certificate,
  htpasswd: settingsSchemas.htpasswd,
} as const
