/** Personal access tokens: one's own, and those of others for who administers accounts. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, turningCharacters, type RouteContract } from '#api/contract.ts'
import { allPermissions } from '#api/permissions.ts'

const id = Type.Integer({ minimum: 1 })
const tokenParams = strictObject({ token: id })
const userParams = strictObject({ user: id })
const userTokenParams = strictObject({ user: id, token: id })
const orNull = Type.Union([instant, Type.Null()])
const kind = Type.Enum(['personal', 'refresh'])

const scopeView = strictObject({
  permissions: Type.Array(Type.String()),
  project: Type.Union([Type.String(), Type.Null()], {
    description: 'There and in what is below it; null: everywhere. Empty: a project that is gone.',
  }),
  repositories: Type.Union([Type.String(), Type.Null()], { description: 'Glob of whole repository names; null: all.' }),
})

const scopeInput = strictObject({
  permissions: Type.Array(Type.Enum([...allPermissions]), { minItems: 1, maxItems: 100 }),
  project: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Null()])),
  repositories: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Null()])),
})

/** A token, without its secret. */
export const token = strictObject({
  id,
  kind: Type.Enum(['personal', 'refresh'], { description: '`refresh`: of a client that signed in, such as docker.' }),
  hint: Type.String({ description: 'Its first characters.' }),
  name: Type.String(),
  client: Type.String({ description: 'What the client called itself; empty for personal tokens.' }),
  scopes: Type.Union([Type.Array(scopeView), Type.Null()], { description: 'What it allows at most; null: all that its owner may.' }),
  expiresAt: orNull,
  lastUsedAt: orNull,
  createdAt: instant,
  madeBy: Type.Union([id, Type.Null()], { description: 'Id of the token that it was made with, and with which it ends; null: none.' }),
})

const filters = { ...pageQuery(['createdAt']), kind: Type.Optional(kind) }

/** One's own. */
export const listTokens = defineRoute({
  method: 'GET',
  path: '/tokens',
  tag: 'tokens',
  summary: 'List your own tokens, and the clients that have signed in as you. A token with scopes sees itself and what it made.',
  demand: { who: 'signed-in' },
  query: strictObject(filters),
  response: pageOf(token),
})

/** Makes a token of the caller's own. */
export const createToken = defineRoute({
  method: 'POST',
  path: '/tokens',
  tag: 'tokens',
  summary:
    'Make a personal token. Its secret is in the answer and nowhere else. A token makes none that is wider or lasts longer than itself.',
  demand: { who: 'signed-in' },
  elevationWhen: 'it has no scopes, or one that names a permission that asks for that',
  body: strictObject({
    name: Type.String({ minLength: 1, maxLength: 200, pattern: `^[^\\u0000-\\u001f\\u007f${turningCharacters}]*$` }),
    scopes: Type.Optional(Type.Array(scopeInput, { minItems: 1, maxItems: 50, description: 'Absent: all that you may.' })),
    expiresAt: Type.Optional(orNull),
  }),
  response: strictObject({ secret: Type.String(), token }),
  status: 201,
})

const codeText = Type.String({ minLength: 1, maxLength: 128 })

/** The last step of a login of the command line by browser; the steps before are pages below `/sign-in`. */
export const exchangeTerminalCode = defineRoute({
  method: 'POST',
  path: '/session/terminal',
  tag: 'tokens',
  summary: 'Exchange the code of a login that was allowed in the browser for a personal token. A code is good for two minutes and one try.',
  demand: { who: 'anyone' },
  body: strictObject({
    code: codeText,
    verifier: Type.String({ minLength: 1, maxLength: 128, description: 'Its SHA-256 was `code_challenge` in the link.' }),
    state: Type.String({ minLength: 1, maxLength: 128, description: 'As it was in the link.' }),
  }),
  response: strictObject({ secret: Type.String(), token, user: Type.String({ description: 'Whose it is.' }) }),
  status: 201,
})

/** One of one's own. */
export const readToken = defineRoute({
  method: 'GET',
  path: '/tokens/{token}',
  tag: 'tokens',
  summary: 'Show one of your tokens.',
  demand: { who: 'signed-in' },
  params: tokenParams,
  response: token,
})

/** Ends one of one's own. */
export const revokeToken = defineRoute({
  method: 'DELETE',
  path: '/tokens/{token}',
  tag: 'tokens',
  summary: 'Revoke one of your tokens; the tokens that it made, and what was issued for it, end at once.',
  demand: { who: 'signed-in' },
  params: tokenParams,
})

/** Somebody's. */
export const listUserTokens = defineRoute({
  method: 'GET',
  path: '/users/{user}/tokens',
  tag: 'tokens',
  summary: 'List tokens of an account.',
  demand: { permission: 'user:read', on: 'system' },
  params: userParams,
  query: strictObject(filters),
  response: pageOf(token),
})

/** Ends somebody's. */
export const revokeUserToken = defineRoute({
  method: 'DELETE',
  path: '/users/{user}/tokens/{token}',
  tag: 'tokens',
  summary: 'Revoke a token of an account.',
  demand: { permission: 'user:update', on: 'system' },
  params: userTokenParams,
})

/** For the list of all. */
export const tokenContracts: readonly RouteContract[] = [
  listTokens,
  createToken,
  exchangeTerminalCode,
  readToken,
  revokeToken,
  listUserTokens,
  revokeUserToken,
]
