/** What is used, and what projects may use. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'

const bytesMax = Number.MAX_SAFE_INTEGER
const nullOr = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema, description: string) =>
  Type.Union([schema, Type.Null()], { description })

const limits = {
  bytesMax: nullOr(Type.Integer({ minimum: 0, maximum: bytesMax }), 'Of blobs, each once, and of documents. Null: no limit.'),
  repositoriesMax: nullOr(Type.Integer({ minimum: 0, maximum: bytesMax }), 'Null: no limit.'),
  tagsMax: nullOr(Type.Integer({ minimum: 0, maximum: bytesMax }), 'Null: no limit.'),
}
const warnPercent = Type.Integer({ minimum: 1, maximum: 100, description: 'From this part of a limit on `quota.warned` is recorded.' })

/** Limits for the settings of the system. */
export const limitsForNew = strictObject({ ...limits, warnPercent })

const counters = {
  bytes: Type.Integer({ description: 'Each blob once, and the documents of manifests.' }),
  logicalBytes: Type.Integer({ description: 'As if nothing were shared: each manifest with all its blobs.' }),
  blobs: Type.Integer(),
  manifests: Type.Integer(),
  tags: Type.Integer(),
  repositories: Type.Integer(),
}

const usage = strictObject({
  ...counters,
  isExact: Type.Boolean({ description: 'False: bytes and blobs may be too many until a recount that runs is done.' }),
})

const warned = (unit: string) => nullOr(instant, `Of ${unit}; null while usage is below.`)

const quota = strictObject({
  project: Type.String(),
  ...limits,
  warnPercent,
  used: strictObject(counters),
  uploadingBytes: Type.Integer({
    description: 'What uploads under way have stored, beside what is used: no upload is taken that does not fit with both.',
  }),
  warnedAt: Type.Object(
    { bytes: warned('bytes'), repositories: warned('repositories'), tags: warned('tags') },
    { additionalProperties: false, description: 'When it was said of each limit that it is near.' },
  ),
  updatedAt: nullOr(instant, 'Null where there are no limits.'),
  version: Type.Integer({ description: '0 where there are no limits.' }),
})

const ofProject = strictObject({ project: Type.String() })

/** All projects with limits. */
export const listQuotas = defineRoute({
  method: 'GET',
  path: '/quotas',
  tag: 'quotas',
  summary: 'List the projects that have limits, with what they use.',
  demand: { permission: 'quota:list', on: 'system' },
  query: strictObject(pageQuery(['project'])),
  response: pageOf(quota),
})

/** For those who see the project. */
export const readQuota = defineRoute({
  method: 'GET',
  path: '/projects/{project}/quota',
  tag: 'quotas',
  summary: 'Read what a project may use and does use; projects below it are counted with it.',
  demand: { permission: 'project:read', on: 'project' },
  params: ofProject,
  response: quota,
  hasEtag: true,
})

/** For administrators. */
export const replaceQuota = defineRoute({
  method: 'PUT',
  path: '/projects/{project}/quota',
  tag: 'quotas',
  summary: 'Set what a project may use; a limit that is left out is none. Nothing is deleted when it uses more: pushes are refused.',
  demand: { permission: 'quota:update', on: 'project' },
  params: ofProject,
  body: strictObject({
    bytesMax: Type.Optional(limits.bytesMax),
    repositoriesMax: Type.Optional(limits.repositoriesMax),
    tagsMax: Type.Optional(limits.tagsMax),
    warnPercent: Type.Optional(warnPercent),
  }),
  response: quota,
  hasEtag: true,
})

/** For administrators. */
export const deleteQuota = defineRoute({
  method: 'DELETE',
  path: '/projects/{project}/quota',
  tag: 'quotas',
  summary: 'Take the limits of a project away.',
  demand: { permission: 'quota:update', on: 'project' },
  params: ofProject,
  hasEtag: true,
})

/** For those who see the project. */
export const readProjectUsage = defineRoute({
  method: 'GET',
  path: '/projects/{project}/usage',
  tag: 'quotas',
  summary: 'Read how much is in a project and those below it.',
  demand: { permission: 'project:read', on: 'project' },
  params: ofProject,
  response: usage,
})

/** For those who see the repository. */
export const readRepositoryUsage = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/usage',
  tag: 'quotas',
  summary: 'Read how much is in a repository.',
  demand: { permission: 'repository:read', on: 'repository' },
  params: strictObject({ repository: Type.String() }),
  response: usage,
})

/** For operators. */
export const readSystemUsage = defineRoute({
  method: 'GET',
  path: '/system/usage',
  tag: 'quotas',
  summary: 'Read how much there is in all; `bytes` is what the store holds, with the trash and what waits for garbage collection.',
  demand: { permission: 'system:read', on: 'system' },
  response: usage,
})

/** For routes/all.ts. */
export const quotaContracts: readonly RouteContract[] = [
  listQuotas,
  readQuota,
  replaceQuota,
  deleteQuota,
  readProjectUsage,
  readRepositoryUsage,
  readSystemUsage,
]
