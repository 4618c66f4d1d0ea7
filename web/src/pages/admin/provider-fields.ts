/**
 * The settings of identity providers as forms show them: in which group each stands, how it is typed, and what it is unless said. A test holds this beside
 * server/api/provider-settings.ts, which is what the server takes.
 */

/** Kinds that are made here. */
export const formKinds = ['ldap', 'oidc', 'workload', 'certificate', 'htpasswd'] as const
export type FormKind = (typeof formKinds)[number]

/** How a setting is typed. `lines`: a list, one a line. */
export type FieldType = 'text' | 'secret' | 'flag' | 'number' | 'lines' | 'long'

export interface Field {
  /** In the settings; a dot leads into an object. */
  readonly key: string
  readonly type: FieldType | readonly string[]
  /** What it is unless said; a setting without one must be given, a secret need not. */
  readonly byDefault?: string | boolean | number | readonly string[]
  readonly sample?: string
}

export interface FieldGroup {
  readonly name:
    | 'server'
    | 'search'
    | 'attributes'
    | 'groups'
    | 'access'
    | 'limits'
    | 'client'
    | 'claims'
    | 'signIn'
    | 'keys'
    | 'names'
    | 'file'
  readonly fields: readonly Field[]
  /** Opened only by those who want it. */
  readonly isFurther?: true
}

const authorities: Field = { key: 'authorities', type: 'long', byDefault: '', sample: '-----BEGIN CERTIFICATE-----' }
const groupsThatCount: readonly Field[] = [
  { key: 'adminGroups', type: 'lines', byDefault: [] },
  { key: 'requiredGroups', type: 'lines', byDefault: [] },
]

const ldap: readonly FieldGroup[] = [
  {
    name: 'server',
    fields: [
      { key: 'urls', type: 'lines', sample: 'ldaps://ldap.example.com' },
      { key: 'startTls', type: 'flag', byDefault: false },
      { key: 'verifyCertificate', type: 'flag', byDefault: true },
      authorities,
    ],
  },
  {
    name: 'search',
    fields: [
      { key: 'bindDn', type: 'text', byDefault: '', sample: 'cn=berth,ou=services,dc=example,dc=com' },
      { key: 'bindPassword', type: 'secret' },
      { key: 'searchBase', type: 'text', sample: 'ou=people,dc=example,dc=com' },
      { key: 'searchScope', type: ['sub', 'one'], byDefault: 'sub' },
      { key: 'userFilter', type: 'text', byDefault: '(&(objectClass=inetOrgPerson)(uid={input}))' },
    ],
  },
  {
    name: 'attributes',
    isFurther: true,
    fields: [
      { key: 'attributes.id', type: 'text', byDefault: 'entryUUID' },
      { key: 'attributes.name', type: 'text', byDefault: 'uid' },
      { key: 'attributes.displayName', type: 'text', byDefault: 'cn' },
      { key: 'attributes.email', type: 'text', byDefault: 'mail' },
    ],
  },
  {
    name: 'groups',
    isFurther: true,
    fields: [
      { key: 'groups.source', type: ['memberOf', 'search', 'none'], byDefault: 'memberOf' },
      { key: 'groups.searchBase', type: 'text', byDefault: '' },
      { key: 'groups.filter', type: 'text', byDefault: '(member={dn})' },
      { key: 'groups.nested', type: 'flag', byDefault: false },
      { key: 'groups.nameAttribute', type: 'text', byDefault: 'cn' },
    ],
  },
  { name: 'access', isFurther: true, fields: groupsThatCount },
  {
    name: 'limits',
    isFurther: true,
    fields: [
      { key: 'groupsLifetimeSeconds', type: 'number', byDefault: 300 },
      { key: 'timeoutMs', type: 'number', byDefault: 5000 },
      { key: 'poolSize', type: 'number', byDefault: 4 },
    ],
  },
]

const oidc: readonly FieldGroup[] = [
  {
    name: 'client',
    fields: [
      { key: 'issuer', type: 'text', sample: 'https://id.example.com/realms/main' },
      { key: 'clientId', type: 'text', sample: 'berth' },
      { key: 'clientSecret', type: 'secret' },
      {
        key: 'clientAuthentication',
        type: ['client_secret_basic', 'client_secret_post', 'none'],
        byDefault: 'client_secret_basic',
      },
      authorities,
    ],
  },
  {
    name: 'claims',
    isFurther: true,
    fields: [
      { key: 'scopes', type: 'lines', byDefault: ['openid', 'profile', 'email'] },
      { key: 'nameClaim', type: 'text', byDefault: 'preferred_username' },
      { key: 'displayNameClaim', type: 'text', byDefault: 'name' },
      { key: 'emailClaim', type: 'text', byDefault: 'email' },
      { key: 'groupsClaim', type: 'text', byDefault: 'groups' },
      { key: 'groupPatterns', type: 'lines', byDefault: [] },
      { key: 'userInfo', type: 'flag', byDefault: false },
    ],
  },
  {
    name: 'access',
    isFurther: true,
    fields: [...groupsThatCount, { key: 'onNewName', type: ['create', 'ask', 'refuse'], byDefault: 'create' }],
  },
  {
    name: 'signIn',
    isFurther: true,
    fields: [
      { key: 'logout', type: 'flag', byDefault: true },
      { key: 'signInIsProof', type: 'flag', byDefault: false },
    ],
  },
]

const workload: readonly FieldGroup[] = [
  {
    name: 'server',
    fields: [
      { key: 'issuer', type: 'text', sample: 'https://token.actions.githubusercontent.com' },
      { key: 'issuerIsOurs', type: 'flag', byDefault: false },
    ],
  },
  {
    name: 'keys',
    isFurther: true,
    fields: [
      { key: 'jwksUrl', type: 'text', byDefault: '' },
      { key: 'jwks', type: 'long', byDefault: '', sample: '{"keys": []}' },
      { key: 'algorithms', type: 'lines', byDefault: ['RS256', 'ES256'] },
      { key: 'clockToleranceSeconds', type: 'number', byDefault: 30 },
      authorities,
    ],
  },
]

const certificate: readonly FieldGroup[] = [
  {
    name: 'names',
    fields: [
      { key: 'source', type: ['commonName', 'subject', 'dns', 'email', 'uri'], byDefault: 'commonName' },
      { key: 'prefix', type: 'text', byDefault: '' },
      { key: 'suffix', type: 'text', byDefault: '', sample: '@example.com' },
      { key: 'target', type: ['user', 'robot'], byDefault: 'user' },
    ],
  },
  {
    name: 'access',
    isFurther: true,
    fields: [
      { key: 'createsAccounts', type: 'flag', byDefault: false },
      { key: 'matchesNames', type: 'flag', byDefault: false },
      { key: 'issuer', type: 'text', byDefault: '' },
    ],
  },
]

const htpasswd: readonly FieldGroup[] = [
  {
    name: 'file',
    fields: [
      { key: 'path', type: 'text', sample: 'team.htpasswd' },
      { key: 'givesEverything', type: 'flag', byDefault: false },
    ],
  },
]

export const fieldGroups: Readonly<Record<FormKind, readonly FieldGroup[]>> = { ldap, oidc, workload, certificate, htpasswd }

/** What differs with Active Directory. */
export const activeDirectory: Readonly<Record<string, string | boolean>> = {
  userFilter: '(&(objectCategory=person)(objectClass=user)(sAMAccountName={input}))',
  'attributes.id': 'objectGUID',
  'attributes.name': 'sAMAccountName',
  'attributes.displayName': 'displayName',
  'groups.nested': true,
}

/** What is in the form: text as it is typed, also of numbers and lists. A secret is empty for "as it was". */
export type Typed = Readonly<Record<string, string | boolean>>
type Settings = Readonly<Record<string, unknown>>

function read(settings: Settings, key: string): unknown {
  return key.split('.').reduce<unknown>((value, part) => (value as Settings | undefined)?.[part], settings)
}

function typedOf(value: unknown): string | boolean {
  if (typeof value === 'boolean') return value
  if (Array.isArray(value)) return value.join('\n')
  return value === undefined || value === null ? '' : String(value as string | number)
}

/** What the form begins with: settings that are there, else what the server takes unless said. */
export function typedFrom(kind: FormKind, settings: Settings = {}): Typed {
  const fields = fieldGroups[kind].flatMap((group) => group.fields)
  return Object.fromEntries(
    fields.map(({ key, byDefault, type }) => [key, type === 'secret' ? '' : typedOf(read(settings, key) ?? byDefault)]),
  )
}

function valueOf({ type }: Field, typed: string | boolean | undefined): unknown {
  if (typeof typed !== 'string') return typed
  if (type === 'number') return Number(typed)
  if (type !== 'lines') return type === 'secret' || type === 'long' ? typed : typed.trim()
  return typed
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

/** The settings to send: only what differs from `before`, so that the rest stays. `forgotten`: secrets that are to go. */
export function settingsFrom(kind: FormKind, typed: Typed, before: Typed, forgotten: ReadonlySet<string>): Record<string, unknown> {
  const settings: Record<string, unknown> = {}
  for (const field of fieldGroups[kind].flatMap((group) => group.fields)) {
    const { key, type, byDefault } = field
    const isSecret = type === 'secret'
    // What must be given is sent although it is empty: the server says then what it lacks.
    const isAsked = !isSecret && byDefault === undefined && before[key] === ''
    if (typed[key] === before[key] && !isAsked && !forgotten.has(key)) continue
    const value = forgotten.has(key) ? null : valueOf(field, typed[key])
    const [outer = '', inner] = key.split('.')
    if (inner === undefined) settings[outer] = value
    else settings[outer] = { ...(settings[outer] as Settings | undefined), [inner]: value }
  }
  return settings
}
