/** Sessions of browsers: signing in and out, second factors, stepping up, identities of outside providers. */
import { Type } from 'typebox'
import { defineRoute, instant, strictObject, type RouteContract } from '#api/contract.ts'
import { allPermissions } from '#api/permissions.ts'

const tag = 'session'
const anyone = { who: 'anyone' } as const
const signedIn = { who: 'signed-in' } as const
const id = Type.Integer({ minimum: 1 })
const factorName = Type.String({ minLength: 1, maxLength: 100, pattern: '^[^\\u0000-\\u001f\\u007f]*$', description: 'For its owner.' })
const providerName = Type.String({ minLength: 1, maxLength: 255 })
const returnTo = Type.String({ maxLength: 2048, description: 'A path of this site, where the browser goes in the end.' })
const password = Type.String({ minLength: 1, maxLength: 1024 })
const code = Type.String({ minLength: 1, maxLength: 64 })
/** What `navigator.credentials` gave, as JSON (WebAuthn Level 3, §5.1). */
const authenticatorAnswer = Type.Object({ id: Type.String({ maxLength: 2048 }) }, { additionalProperties: true })

const proofs = [
  strictObject({ kind: Type.Literal('totp'), code }),
  strictObject({ kind: Type.Literal('recovery'), code }),
  strictObject({ kind: Type.Literal('webauthn'), response: authenticatorAnswer }),
] as const

const factorKind = Type.Enum(['totp', 'webauthn', 'recovery'])

/** Who asks, what they may everywhere, and what is missing before they are signed in. */
export const session = strictObject({
  state: Type.Enum(['anonymous', 'second-factor', 'name', 'active'], {
    description:
      '`second-factor` and `name`: what is to be given next. `active`: signed in, by session or by the credential of this request.',
  }),
  user: Type.Optional(
    strictObject({
      id: Type.Optional(id),
      name: Type.String(),
      kind: Type.Enum(['user', 'robot', 'external']),
      isAdministrator: Type.Boolean(),
    }),
  ),
  /** Kind of the credential of this request. */
  credential: Type.String(),
  session: Type.Optional(strictObject({ id, createdAt: instant, expiresAt: instant, elevatedUntil: Type.Union([instant, Type.Null()]) })),
  secondFactors: Type.Array(factorKind, { description: 'Kinds that the account has.' }),
  proposedName: Type.Optional(Type.String({ description: 'In state `name`: what the identity provider calls the person.' })),
  permissions: Type.Array(Type.Enum([...allPermissions]), {
    description: 'What may be done everywhere, without what grants on projects add.',
  }),
  providers: Type.Array(strictObject({ name: Type.String(), title: Type.String(), kind: Type.Enum(['ldap', 'oidc']) }), {
    description: 'Ways to sign in, for whoever is not.',
  }),
})

/** Who am I. */
export const readSession = defineRoute({
  method: 'GET',
  path: '/session',
  tag,
  summary: 'Tell who is signed in, what they may, and what is missing.',
  demand: anyone,
  response: session,
})

/** By name and password. */
export const signIn = defineRoute({
  method: 'POST',
  path: '/session',
  tag,
  summary: 'Sign in with name and password; the answer sets a cookie.',
  demand: anyone,
  body: strictObject({ name: Type.String({ minLength: 1, maxLength: 255 }), password }),
  response: session,
})

/** Ends the session of this browser. */
export const signOut = defineRoute({
  method: 'DELETE',
  path: '/session',
  tag,
  summary: 'Sign out.',
  demand: anyone,
  response: strictObject({
    logoutUrl: Type.Optional(Type.String({ description: 'Where to send the browser to sign out at the identity provider too.' })),
  }),
})

/** The second half of signing in. */
export const giveSecondFactor = defineRoute({
  method: 'POST',
  path: '/session/second-factor',
  tag,
  summary: 'Complete a sign-in with the second factor.',
  demand: anyone,
  body: Type.Union([...proofs]),
  response: session,
})

/** For WebAuthn, before `second-factor` and `elevation`. */
export const challengeFactor = defineRoute({
  method: 'POST',
  path: '/session/challenge',
  tag,
  summary: 'Get what an authenticator of the account is to sign.',
  demand: anyone,
  response: Type.Object({}, { additionalProperties: true, description: '`PublicKeyCredentialRequestOptionsJSON`.' }),
})

/** After the first sign-in at an identity provider that gives no usable name. */
export const chooseName = defineRoute({
  method: 'POST',
  path: '/session/name',
  tag,
  summary: 'Choose the name of the account that a first sign-in makes.',
  demand: anyone,
  body: strictObject({ name: Type.String({ minLength: 1, maxLength: 255 }) }),
  response: session,
})

/** Step-up. */
export const elevateSession = defineRoute({
  method: 'POST',
  path: '/session/elevation',
  tag,
  summary: 'Prove again who sits here, by second factor or, without one, by password: destructive administration is open for ten minutes.',
  demand: signedIn,
  body: Type.Union([strictObject({ kind: Type.Literal('password'), password }), ...proofs]),
  response: session,
})

/** Step-up for people who sign in at an identity provider and have no second factor here. */
export const elevateAtProvider = defineRoute({
  method: 'POST',
  path: '/session/elevation/provider',
  tag,
  summary: 'Prove again who sits here at the identity provider of this session.',
  demand: signedIn,
  body: strictObject({ returnTo: Type.Optional(returnTo) }),
  response: strictObject({ url: Type.String({ description: 'Where to send the browser.' }) }),
})

const sessionParams = strictObject({ session: id })

/** One's own. */
export const listSessions = defineRoute({
  method: 'GET',
  path: '/sessions',
  tag,
  summary: 'List the sessions of one’s own account, the latest first.',
  demand: signedIn,
  response: strictObject({
    items: Type.Array(
      strictObject({
        id,
        isCurrent: Type.Boolean(),
        address: Type.String(),
        userAgent: Type.String(),
        createdAt: instant,
        lastSeenAt: instant,
        expiresAt: instant,
      }),
    ),
  }),
})

/** One of one's own. */
export const endSession = defineRoute({
  method: 'DELETE',
  path: '/sessions/{session}',
  tag,
  summary: 'End a session of one’s own account.',
  demand: signedIn,
  params: sessionParams,
})

/** All of one's own. */
export const endSessions = defineRoute({
  method: 'DELETE',
  path: '/sessions',
  tag,
  summary: 'End all sessions of one’s own account.',
  demand: signedIn,
  query: strictObject({ keepCurrent: Type.Optional(Type.Boolean({ description: 'All but this one.' })) }),
})

const factor = strictObject({
  id,
  kind: Type.Enum(['totp', 'webauthn']),
  name: Type.String(),
  createdAt: instant,
  lastUsedAt: Type.Union([instant, Type.Null()]),
})
const factors = strictObject({
  items: Type.Array(factor),
  recoveryCodesLeft: Type.Integer(),
})
const enrolled = strictObject({
  id,
  recoveryCodes: Type.Optional(
    Type.Array(Type.String(), { description: 'With the first factor: each opens the account once. Shown now or never.' }),
  ),
})

/** One's own second factors. */
export const listFactors = defineRoute({
  method: 'GET',
  path: '/session/factors',
  tag,
  summary: 'List one’s own second factors.',
  demand: signedIn,
  response: factors,
})

/** Begins with an authenticator app. */
export const startTotp = defineRoute({
  method: 'POST',
  path: '/session/factors/totp',
  tag,
  summary: 'Begin to add an authenticator app.',
  demand: signedIn,
  needsElevation: true,
  response: strictObject({ secret: Type.String(), uri: Type.String({ description: '`otpauth:` URI, for a QR code.' }) }),
})

/** Ends it. */
export const confirmTotp = defineRoute({
  method: 'POST',
  path: '/session/factors/totp/confirmation',
  tag,
  summary: 'Add the authenticator app by a code that it shows.',
  demand: signedIn,
  needsElevation: true,
  body: strictObject({ code, name: factorName }),
  response: enrolled,
})

/** Begins with a passkey or security key. */
export const startWebAuthn = defineRoute({
  method: 'POST',
  path: '/session/factors/webauthn',
  tag,
  summary: 'Begin to add a passkey or security key.',
  demand: signedIn,
  needsElevation: true,
  response: Type.Object({}, { additionalProperties: true, description: '`PublicKeyCredentialCreationOptionsJSON`.' }),
})

/** Ends it. */
export const confirmWebAuthn = defineRoute({
  method: 'POST',
  path: '/session/factors/webauthn/confirmation',
  tag,
  summary: 'Add the passkey or security key that answered.',
  demand: signedIn,
  needsElevation: true,
  body: strictObject({ name: factorName, response: authenticatorAnswer }),
  response: enrolled,
})

/** Replaces all. */
export const renewRecoveryCodes = defineRoute({
  method: 'POST',
  path: '/session/factors/recovery-codes',
  tag,
  summary: 'Make ten recovery codes; those of before are worth nothing then.',
  demand: signedIn,
  needsElevation: true,
  response: strictObject({ recoveryCodes: Type.Array(Type.String()) }),
})

/** One of one's own. */
export const removeFactor = defineRoute({
  method: 'DELETE',
  path: '/session/factors/{factor}',
  tag,
  summary: 'Remove a second factor of one’s own; the recovery codes go with the last.',
  demand: signedIn,
  needsElevation: true,
  params: strictObject({ factor: id }),
})

const userParams = strictObject({ user: id })

/** For administrators. */
export const listFactorsOfUser = defineRoute({
  method: 'GET',
  path: '/users/{user}/factors',
  tag: 'users',
  summary: 'List the second factors of an account.',
  demand: { permission: 'user:read', on: 'system' },
  params: userParams,
  response: factors,
})

/** For administrators, when a phone is lost. */
export const removeFactorsOfUser = defineRoute({
  method: 'DELETE',
  path: '/users/{user}/factors',
  tag: 'users',
  summary: 'Remove all second factors of an account.',
  demand: { permission: 'user:update', on: 'system' },
  needsElevation: true,
  params: userParams,
})

const providerParams = strictObject({ provider: providerName })

/** A link or a form's target, not a call: it answers with a redirect. */
export const startOidc = defineRoute({
  method: 'GET',
  path: '/session/oidc/{provider}',
  tag,
  summary: 'Send the browser to an OpenID Connect provider to sign in.',
  demand: anyone,
  params: providerParams,
  query: strictObject({ returnTo: Type.Optional(returnTo) }),
  status: 303,
})

/** Where the provider sends the browser back to. */
export const finishOidc = defineRoute({
  method: 'GET',
  path: '/session/oidc/{provider}/callback',
  tag,
  summary: 'Take the browser back from an OpenID Connect provider.',
  demand: anyone,
  params: providerParams,
  query: Type.Object({}, { additionalProperties: true }),
  status: 303,
})

/** Called by the provider (OpenID Connect Back-Channel Logout 1.0). */
export const backchannelLogout = defineRoute({
  method: 'POST',
  path: '/session/oidc/{provider}/backchannel-logout',
  tag,
  summary: 'End the sessions that a logout token of the provider names.',
  demand: anyone,
  params: providerParams,
  body: Type.Object({ logout_token: Type.String({ maxLength: 16_384 }) }, { additionalProperties: true }),
  status: 200,
})

/** One's own ways in. */
export const listIdentities = defineRoute({
  method: 'GET',
  path: '/session/identities',
  tag,
  summary: 'List the outside identities that open one’s own account.',
  demand: signedIn,
  response: strictObject({
    hasPassword: Type.Boolean(),
    items: Type.Array(
      strictObject({
        id,
        provider: Type.String(),
        issuer: Type.String(),
        subject: Type.String(),
        name: Type.String(),
        createdAt: instant,
        refreshedAt: instant,
      }),
    ),
  }),
})

/** Begins at the provider. */
export const linkIdentity = defineRoute({
  method: 'POST',
  path: '/session/identities',
  tag,
  summary:
    'Link an outside identity with one’s own account: begin at an OpenID Connect provider, or take the client certificate of this connection.',
  demand: signedIn,
  needsElevation: true,
  body: strictObject({ provider: providerName, returnTo: Type.Optional(returnTo) }),
  response: strictObject({ url: Type.Optional(Type.String({ description: 'Where to send the browser; absent: it is done.' })) }),
})

/** Never the last way in. */
export const unlinkIdentity = defineRoute({
  method: 'DELETE',
  path: '/session/identities/{identity}',
  tag,
  summary: 'Unlink an outside identity from one’s own account.',
  demand: signedIn,
  needsElevation: true,
  params: strictObject({ identity: id }),
})

/** In the order of the documentation. */
export const sessionContracts: readonly RouteContract[] = [
  readSession,
  signIn,
  signOut,
  giveSecondFactor,
  challengeFactor,
  chooseName,
  elevateSession,
  elevateAtProvider,
  listSessions,
  endSession,
  endSessions,
  listFactors,
  startTotp,
  confirmTotp,
  startWebAuthn,
  confirmWebAuthn,
  renewRecoveryCodes,
  removeFactor,
  listFactorsOfUser,
  removeFactorsOfUser,
  startOidc,
  finishOidc,
  backchannelLogout,
  listIdentities,
  linkIdentity,
  unlinkIdentity,
]
