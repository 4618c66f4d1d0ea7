/** What the registry is, how it is configured, and what administrators decide while it runs. */
import { Type } from 'typebox'
import { defineRoute, instant, strictObject, turningCharacters, type RouteContract } from '#api/contract.ts'
import { limitsForNew } from './quotas.ts'

const ranges = Type.Array(Type.String({ minLength: 2, maxLength: 64 }), {
  maxItems: 1000,
  description: 'Addresses and CIDR ranges of IPv4 and IPv6: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`.',
})

/** Who may come in, by address. */
export const networks = strictObject({
  allow: ranges,
  deny: ranges,
})

const nullOr = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) => Type.Union([schema, Type.Null()])

const rateLimit = strictObject({
  requestsPerSecond: Type.Number({ minimum: 0.01, maximum: 1_000_000 }),
  burst: Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'How many may come at once.' }),
})

const banner = strictObject({
  text: Type.String({ minLength: 1, maxLength: 1000, pattern: `^[^${turningCharacters}]*$` }),
  level: Type.Enum(['info', 'warning', 'danger']),
})

const settings = {
  banner: nullOr(banner),
  isReadOnly: Type.Boolean({
    description: 'Nothing is pushed, deleted or changed until it is switched off; tokens, secrets of robots and grants can be taken back.',
  }),
  projectCreation: Type.Enum(['everyone', 'administrators'], { description: '`everyone`: all who are signed in may make projects.' }),
  autoCreateProjects: Type.Boolean({ description: 'A push to a name without a project makes one, for those who may make projects.' }),
  networks,
  defaultQuota: nullOr(limitsForNew),
  rateLimits: strictObject({ perAddress: nullOr(rateLimit), perCredential: nullOr(rateLimit) }),
}

/** What administrators decide while the registry runs. */
export const systemSettings = strictObject({ ...settings, version: Type.Integer() })

/** For the sign-in page, before anybody is known. */
export const readSystem = defineRoute({
  method: 'GET',
  path: '/system',
  tag: 'system',
  summary: 'What the sign-in page shows; the version for who is signed in.',
  demand: { who: 'anyone' },
  response: strictObject({
    name: Type.String(),
    banner: nullOr(banner),
    isReadOnly: Type.Boolean(),
    authentication: strictObject({
      kind: Type.Enum(['open', 'htpasswd', 'accounts', 'token'], { description: '`auth` of the configuration.' }),
      hasPasswords: Type.Boolean({ description: 'Whether a name and a password sign in.' }),
      providers: Type.Array(strictObject({ name: Type.String(), title: Type.String(), kind: Type.String() }), {
        description: 'Those that a browser is sent to.',
      }),
    }),
    version: Type.Optional(Type.String()),
  }),
})

/** For operators. */
export const readSystemInformation = defineRoute({
  method: 'GET',
  path: '/system/information',
  tag: 'system',
  summary: 'The version, the process, the database, the store and how much is in them.',
  demand: { permission: 'system:read', on: 'system' },
  response: strictObject({
    version: Type.String(),
    node: strictObject({
      name: Type.String(),
      runtime: Type.String(),
      platform: Type.String(),
      startedAt: instant,
      uptimeSeconds: Type.Number(),
    }),
    database: strictObject({ kind: Type.String(), file: nullOr(Type.String()), schemaVersion: Type.String() }),
    storage: strictObject({
      kind: Type.String(),
      place: nullOr(Type.String()),
      freeBytes: nullOr(Type.Number()),
      totalBytes: nullOr(Type.Number()),
    }),
    counts: strictObject({
      projects: Type.Integer(),
      repositories: Type.Integer(),
      manifests: Type.Integer(),
      tags: Type.Integer(),
      blobs: Type.Integer(),
      blobBytes: Type.Number(),
      users: Type.Integer(),
      robots: Type.Integer(),
      openUploads: Type.Integer(),
    }),
    audit: strictObject({ pending: Type.Integer(), flushFailures: Type.Integer() }),
  }),
})

/** Looks at what the server stands on. */
export const readSystemDoctor = defineRoute({
  method: 'GET',
  path: '/system/doctor',
  tag: 'system',
  summary: 'Look at what the server stands on: store, free space, files, certificate, leftovers. Each look says what to do.',
  demand: { permission: 'system:read', on: 'system' },
  response: strictObject({
    diagnoses: Type.Array(
      strictObject({
        check: Type.String({ examples: ['free space'] }),
        verdict: Type.Enum(['ok', 'warning', 'problem']),
        message: Type.String(),
      }),
    ),
  }),
})

/** What administrators have decided. */
export const readSystemSettings = defineRoute({
  method: 'GET',
  path: '/system/settings',
  tag: 'system',
  summary: 'Read the settings that are changed while the registry runs.',
  demand: { permission: 'system:read', on: 'system' },
  response: systemSettings,
  hasEtag: true,
})

const force = Type.Optional(
  Type.Boolean({ description: 'Change the networks although they lock out the address that the request comes from.' }),
)

/** Changes some of them. */
export const updateSystemSettings = defineRoute({
  method: 'PATCH',
  path: '/system/settings',
  tag: 'system',
  summary: 'Change settings; what is absent stays. While the registry is read-only, only `isReadOnly: false` is taken.',
  demand: { permission: 'system:update', on: 'system' },
  needsElevation: true,
  query: strictObject({ force }),
  body: Type.Partial(strictObject(settings), { additionalProperties: false, minProperties: 1 }),
  response: systemSettings,
  hasEtag: true,
})

/** The configuration in force. */
export const readSystemConfiguration = defineRoute({
  method: 'GET',
  path: '/system/configuration',
  tag: 'system',
  summary: 'Every key of the configuration that acts, with its value and where that comes from; secrets are masked.',
  demand: { permission: 'system:read', on: 'system' },
  response: strictObject({
    file: nullOr(Type.String()),
    keys: Type.Array(strictObject({ key: Type.String(), value: Type.String(), source: Type.String() })),
  }),
})

const project = strictObject({ project: Type.String({ maxLength: 255 }) })
const projectNetworks = strictObject({ ...networks.properties, version: Type.Integer() })

/** From where a project may be used. */
export const readProjectNetworks = defineRoute({
  method: 'GET',
  path: '/projects/{project}/networks',
  tag: 'system',
  summary: 'From which addresses the project may be used. No `allow`: from everywhere that is not denied.',
  demand: { permission: 'network:read', on: 'project' },
  params: project,
  response: projectNetworks,
  hasEtag: true,
})

/** Replaces them. */
export const replaceProjectNetworks = defineRoute({
  method: 'PUT',
  path: '/projects/{project}/networks',
  tag: 'system',
  summary: 'Say from which addresses the project, and those below it, may be used; `deny` wins.',
  demand: { permission: 'project:update', on: 'project' },
  params: project,
  query: strictObject({ force }),
  body: networks,
  response: projectNetworks,
  hasEtag: true,
})

export const systemContracts: readonly RouteContract[] = [
  readSystem,
  readSystemInformation,
  readSystemDoctor,
  readSystemSettings,
  updateSystemSettings,
  readSystemConfiguration,
  readProjectNetworks,
  replaceProjectNetworks,
]
