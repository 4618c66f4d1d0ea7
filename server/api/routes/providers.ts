/** Identity providers. */
import { Type } from 'typebox'
import { defineRoute, instant, judgedByServer, strictObject, type RouteContract } from '#api/contract.ts'
import { warnings } from '#api/warnings.ts'
import { providerKinds, settingsChangeSchemas, settingsInputSchemas, settingsViewSchemas } from '#api/provider-settings.ts'

const params = strictObject({ provider: Type.String({ minLength: 1, maxLength: 64 }) })
const title = Type.String({ minLength: 1, maxLength: 200, description: 'For people, on the sign-in page.' })
const kind = Type.Enum(['ldap', 'oidc', 'workload', 'certificate', 'htpasswd'])

const { local, ldap, oidc, workload, certificate, htpasswd } = settingsInputSchemas
const settingsInput = Type.Union([ldap, oidc, workload, certificate, htpasswd, local], {
  description: 'By kind. Secrets are taken and never given back.',
  ...judgedByServer,
})
const settingsChange = Type.Union(
  [
    settingsChangeSchemas.ldap,
    settingsChangeSchemas.oidc,
    settingsChangeSchemas.workload,
    settingsChangeSchemas.certificate,
    settingsChangeSchemas.htpasswd,
  ],
  {
    description:
      'The settings that change; others stay. A secret that would go to another server, or no longer protected, is forgotten unless it is given again.',
    ...judgedByServer,
  },
)
const settingsView = Type.Union([
  settingsViewSchemas.ldap,
  settingsViewSchemas.oidc,
  settingsViewSchemas.workload,
  settingsViewSchemas.certificate,
  settingsViewSchemas.htpasswd,
  settingsViewSchemas.local,
])

/** A provider, without its secrets. */
export const provider = strictObject({
  id: Type.Integer(),
  name: Type.String(),
  kind: Type.Enum([...providerKinds]),
  title: Type.String(),
  isEnabled: Type.Boolean(),
  position: Type.Integer({ description: 'Providers are asked in this order.' }),
  settings: settingsView,
  createdAt: instant,
  updatedAt: instant,
  version: Type.Integer(),
  warnings,
})

const testInput = {
  name: Type.Optional(Type.String({ maxLength: 256, description: 'LDAP and htpasswd: whom to look for.' })),
  password: Type.Optional(
    Type.String({ maxLength: 1024, description: 'LDAP and htpasswd: signs in as them, instead of looking them up. Kept nowhere.' }),
  ),
}

/** How a test went. */
export const providerTest = strictObject({
  passed: Type.Boolean(),
  steps: Type.Array(
    strictObject({ step: Type.String(), passed: Type.Boolean(), message: Type.String(), durationMs: Type.Integer({ minimum: 0 }) }),
  ),
  person: Type.Union([
    strictObject({
      name: Type.String(),
      displayName: Type.String(),
      email: Type.String(),
      subject: Type.String(),
      groups: Type.Array(Type.String()),
      isAdministrator: Type.Union([Type.Boolean(), Type.Null()]),
    }),
    Type.Null(),
  ]),
})

/** All providers: there are few. */
export const listProviders = defineRoute({
  method: 'GET',
  path: '/providers',
  tag: 'providers',
  summary: 'List all identity providers in the order in which they are asked.',
  demand: { permission: 'provider:list', on: 'system' },
  response: strictObject({ items: Type.Array(provider) }),
})

/** Makes a provider. */
export const createProvider = defineRoute({
  method: 'POST',
  path: '/providers',
  tag: 'providers',
  summary: 'Make an identity provider, asked after all others.',
  demand: { permission: 'provider:create', on: 'system' },
  needsElevation: true,
  body: strictObject({
    name: Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'Lower-case letters and digits, with `.` `_` `-` between them. It stays.',
    }),
    kind,
    title: Type.Optional(title),
    isEnabled: Type.Optional(Type.Boolean({ default: true })),
    settings: settingsInput,
  }),
  response: provider,
  status: 201,
  hasEtag: true,
})

/** One provider. */
export const readProvider = defineRoute({
  method: 'GET',
  path: '/providers/{provider}',
  tag: 'providers',
  summary: 'Show an identity provider, without its secrets.',
  demand: { permission: 'provider:read', on: 'system' },
  params,
  response: provider,
  hasEtag: true,
})

/** Changes a provider; what is left out stays. */
export const updateProvider = defineRoute({
  method: 'PATCH',
  path: '/providers/{provider}',
  tag: 'providers',
  summary: 'Change an identity provider, switch it on or off, or move it in the order.',
  demand: { permission: 'provider:update', on: 'system' },
  needsElevation: true,
  params,
  body: strictObject({
    title: Type.Optional(title),
    isEnabled: Type.Optional(Type.Boolean({ description: 'Switching off ends the sessions that began here.' })),
    position: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    settings: Type.Optional(settingsChange),
  }),
  response: provider,
  hasEtag: true,
})

/** Removes a provider. */
export const deleteProvider = defineRoute({
  method: 'DELETE',
  path: '/providers/{provider}',
  tag: 'providers',
  summary: 'Remove an identity provider; with `force` also what depends on it. Accounts that only it opened are disabled.',
  demand: { permission: 'provider:delete', on: 'system' },
  needsElevation: true,
  params,
  query: strictObject({ force: Type.Optional(Type.Boolean()) }),
  hasEtag: true,
})

/** Tries a provider out. */
export const testProvider = defineRoute({
  method: 'POST',
  path: '/providers/{provider}/test',
  tag: 'providers',
  summary: 'Try an identity provider out, step by step.',
  demand: { permission: 'provider:test', on: 'system' },
  params,
  body: strictObject(testInput),
  response: providerTest,
})

/** Tries settings out before they are saved. */
export const testSettings = defineRoute({
  method: 'POST',
  path: '/provider-tests',
  tag: 'providers',
  summary: 'Try settings of an identity provider out without saving them.',
  demand: { permission: 'provider:test', on: 'system' },
  body: strictObject({
    kind,
    settings: Type.Union([settingsInput, settingsChange], judgedByServer),
    provider: Type.Optional(
      Type.String({ maxLength: 64, description: 'A provider whose settings these change; its secrets are used where they would stay.' }),
    ),
    ...testInput,
  }),
  response: providerTest,
})

/** For routes/all.ts. */
export const providerContracts: readonly RouteContract[] = [
  listProviders,
  createProvider,
  readProvider,
  updateProvider,
  deleteProvider,
  testProvider,
  testSettings,
]
