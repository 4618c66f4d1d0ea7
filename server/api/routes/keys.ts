/** The keys that sign bearer tokens. */
import { Type } from 'typebox'
import { defineRoute, instant, strictObject, type RouteContract } from '#api/contract.ts'

/** A key: its public half. */
export const key = strictObject({
  keyId: Type.String({ description: 'RFC 7638 thumbprint.' }),
  algorithm: Type.String(),
  publicKey: Type.Record(Type.String(), Type.String(), { description: 'JSON web key.' }),
  createdAt: instant,
  retiredAt: Type.Union([instant, Type.Null()], {
    description: 'From then on it signs nothing, and verifies what it signed until that ends.',
  }),
})

/** Newest first; there are a handful. */
export const listKeys = defineRoute({
  method: 'GET',
  path: '/keys',
  tag: 'keys',
  summary: 'List the keys that sign bearer tokens, newest first.',
  demand: { permission: 'key:list', on: 'system' },
  response: strictObject({ items: Type.Array(key) }),
})

/** Makes a key that signs from now on. */
export const rotateKeys = defineRoute({
  method: 'POST',
  path: '/keys',
  tag: 'keys',
  summary: 'Sign with a fresh key from now on; tokens that were signed before stay good until they end.',
  demand: { permission: 'key:rotate', on: 'system' },
  needsElevation: true,
  response: key,
  status: 201,
})

/** Ends everything that a key signed. */
export const deleteKey = defineRoute({
  method: 'DELETE',
  path: '/keys/{key}',
  tag: 'keys',
  summary: 'Delete a key: every token that it signed ends at once. For a key that somebody else may have.',
  demand: { permission: 'key:delete', on: 'system' },
  needsElevation: true,
  params: strictObject({ key: Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }) }),
})

/** For the list of all. */
export const keyContracts: readonly RouteContract[] = [listKeys, rotateKeys, deleteKey]
