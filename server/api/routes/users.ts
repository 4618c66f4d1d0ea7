/** Accounts of people. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, turningCharacters, type RouteContract } from '#api/contract.ts'

const id = Type.Integer({ minimum: 1 })
const params = strictObject({ user: id })
const displayName = Type.String({ maxLength: 200, pattern: `^[^\\u0000-\\u001f\\u007f${turningCharacters}]*$` })
const email = Type.String({
  maxLength: 254,
  pattern: '^(?:[^\\s@\\u0000-\\u001f\\u007f]+@[^\\s@\\u0000-\\u001f\\u007f]+)?$',
  description: 'Empty for none.',
  examples: ['alice@example.com'],
})
const name = Type.String({
  minLength: 1,
  maxLength: 128,
  description: 'Letters, digits, `.` `_` `-` `@` `+`; does not begin with `robot-`. Another account may not have it in other case.',
})
const password = Type.String({
  minLength: 1,
  maxLength: 1024,
  description: 'Eight characters or more, and none of those that are tried first.',
})

/** An account, without anything that its password could be guessed from. */
export const user = strictObject({
  id,
  name: Type.String(),
  displayName: Type.String(),
  email: Type.String(),
  isAdministrator: Type.Boolean(),
  isDisabled: Type.Boolean(),
  hasPassword: Type.Boolean({ description: 'Whether it can be opened by a password that is kept here.' }),
  providers: Type.Array(Type.String(), { description: 'Names of the identity providers that vouch for it.' }),
  createdAt: instant,
  updatedAt: instant,
  lastLoginAt: Type.Union([instant, Type.Null()]),
  version: Type.Integer(),
})

/** Accounts, by name unless asked otherwise. */
export const listUsers = defineRoute({
  method: 'GET',
  path: '/users',
  tag: 'users',
  summary: 'List accounts.',
  demand: { permission: 'user:list', on: 'system' },
  query: strictObject({
    ...pageQuery(['name', 'createdAt', 'lastLoginAt']),
    name: Type.Optional(Type.String({ maxLength: 255, description: 'Only names that begin so.' })),
    isAdministrator: Type.Optional(Type.Boolean()),
    isDisabled: Type.Optional(Type.Boolean()),
    provider: Type.Optional(
      Type.String({ maxLength: 255, description: 'Name of a provider; `local` for accounts with a password kept here.' }),
    ),
  }),
  response: pageOf(user),
})

/** Makes an account. */
export const createUser = defineRoute({
  method: 'POST',
  path: '/users',
  tag: 'users',
  summary: 'Make an account; without a password only a provider, or a password set later, opens it.',
  demand: { permission: 'user:create', on: 'system' },
  elevationWhen: 'it makes an administrator, or everybody signed in has a permission that asks for that',
  body: strictObject({
    name,
    displayName: Type.Optional(displayName),
    email: Type.Optional(email),
    password: Type.Optional(password),
    isAdministrator: Type.Optional(Type.Boolean({ description: 'Only administrators make administrators.' })),
  }),
  response: user,
  status: 201,
  hasEtag: true,
})

/** One account. */
export const readUser = defineRoute({
  method: 'GET',
  path: '/users/{user}',
  tag: 'users',
  summary: 'Show an account.',
  demand: { permission: 'user:read', on: 'system' },
  params,
  response: user,
  hasEtag: true,
})

/** Changes an account; what is left out stays. */
export const updateUser = defineRoute({
  method: 'PATCH',
  path: '/users/{user}',
  tag: 'users',
  summary: 'Change an account. Administrators only: `isAdministrator`, and anything about an administrator. The last enabled one stays.',
  demand: { permission: 'user:update', on: 'system' },
  elevationWhen: 'it makes an administrator, changes one, or lets somebody use a permission that asks for that',
  params,
  body: strictObject({
    name: Type.Optional(name),
    displayName: Type.Optional(displayName),
    email: Type.Optional(email),
    isAdministrator: Type.Optional(Type.Boolean()),
    isDisabled: Type.Optional(Type.Boolean({ description: 'A disabled account loses its sessions and cannot use any credential.' })),
  }),
  response: user,
  hasEtag: true,
})

/** Removes an account. */
export const deleteUser = defineRoute({
  method: 'DELETE',
  path: '/users/{user}',
  tag: 'users',
  summary: 'Remove an account with its tokens, grants and memberships. The audit log keeps its name.',
  demand: { permission: 'user:delete', on: 'system' },
  needsElevation: true,
  params,
  hasEtag: true,
})

/** Sets the password of somebody else. */
export const resetUserPassword = defineRoute({
  method: 'PUT',
  path: '/users/{user}/password',
  tag: 'users',
  summary: 'Set the password of another account (administrators only); its sessions end.',
  demand: { permission: 'user:update', on: 'system' },
  needsElevation: true,
  params,
  body: strictObject({ password }),
  hasEtag: true,
})

/** Sets one's own password. */
export const changePassword = defineRoute({
  method: 'PUT',
  path: '/session/password',
  tag: 'session',
  summary: 'Change your own password; all your sessions end.',
  demand: { who: 'signed-in' },
  body: strictObject({ currentPassword: Type.String({ maxLength: 1024 }), password }),
})

/** The caller's own account. */
export const readAccount = defineRoute({
  method: 'GET',
  path: '/session/account',
  tag: 'session',
  summary: 'Show your own account.',
  demand: { who: 'signed-in' },
  response: user,
  hasEtag: true,
})

/** What people may say of themselves. */
export const updateAccount = defineRoute({
  method: 'PATCH',
  path: '/session/account',
  tag: 'session',
  summary: 'Change display name or e-mail address of your own account. What an identity provider says of it is changed there.',
  demand: { who: 'signed-in' },
  body: strictObject({ displayName: Type.Optional(displayName), email: Type.Optional(email) }),
  response: user,
  hasEtag: true,
})

/** For routes/all.ts. */
export const userContracts: readonly RouteContract[] = [
  listUsers,
  createUser,
  readUser,
  updateUser,
  deleteUser,
  resetUserPassword,
  changePassword,
  readAccount,
  updateAccount,
]
