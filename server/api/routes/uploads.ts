/** Uploads in flight. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'
import { inRepository } from './repositories.ts'

/** An upload under way. A blob that is pushed in one request has none. */
export const upload = strictObject({
  id: Type.String(),
  repository: Type.String(),
  actor: Type.String({ description: 'Who began it, by name; empty for anonymous.' }),
  offsetBytes: Type.Integer({ description: 'Bytes that came; all of them are safely here unless `isReceiving`.' }),
  isReceiving: Type.Boolean({ description: 'This process is receiving bytes of it right now.' }),
  startedAt: instant,
  updatedAt: instant,
})

const query = strictObject({ ...pageQuery([]), sort: Type.Optional(Type.Enum(['-updatedAt', 'updatedAt'])) })

export const listUploads = defineRoute({
  method: 'GET',
  path: '/uploads',
  tag: 'uploads',
  summary: 'List the uploads under way to repositories whose uploads the caller may see.',
  demand: { who: 'anyone', permission: 'upload:list', on: 'visible' },
  query,
  response: pageOf(upload),
})

export const listRepositoryUploads = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/uploads',
  tag: 'uploads',
  summary: 'List the uploads under way to a repository.',
  demand: { permission: 'upload:list', on: 'repository' },
  params: strictObject(inRepository),
  query,
  response: pageOf(upload),
})

export const cancelUpload = defineRoute({
  method: 'DELETE',
  path: '/repositories/{repository}/uploads/{upload}',
  tag: 'uploads',
  summary: 'Cancel an upload: its bytes go, and its sender meets an upload that is unknown, in the middle of sending too.',
  demand: { permission: 'upload:delete', on: 'repository' },
  params: strictObject({ ...inRepository, upload: Type.String({ maxLength: 128 }) }),
})

/** In the order of the documentation. */
export const uploadContracts: readonly RouteContract[] = [listUploads, listRepositoryUploads, cancelUpload]
