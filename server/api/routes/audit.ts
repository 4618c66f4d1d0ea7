/** What happened and who did it. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, strictObject, type RouteContract } from '#api/contract.ts'

const text = (description: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 300, description }))

const nullOr = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) => Type.Union([schema, Type.Null()])

/** One record. `count` is more than 1 for alike things that were counted together, until `detail.until`. */
export const auditRecord = strictObject({
  id: Type.Integer(),
  at: instant,
  action: Type.String(),
  outcome: Type.Enum(['success', 'failure']),
  reason: nullOr(Type.String({ description: 'Why it was refused: an error code.' })),
  actor: nullOr(Type.String({ description: 'Null for nobody, or for the registry itself.' })),
  actorKey: nullOr(Type.String()),
  credential: nullOr(Type.String({ description: 'Kind and id of the credential, never its secret.' })),
  address: nullOr(Type.String()),
  userAgent: nullOr(Type.String()),
  requestId: nullOr(Type.String()),
  project: nullOr(Type.String({ description: 'As it was called then.' })),
  projectId: nullOr(Type.Integer({ description: 'Stays when the project is renamed.' })),
  repository: nullOr(Type.String()),
  tag: nullOr(Type.String()),
  digest: nullOr(Type.String()),
  target: nullOr(Type.String()),
  count: Type.Integer(),
  detail: Type.Record(Type.String(), Type.Unknown()),
})

const filters = {
  actor: text('Name of who did it.'),
  action: Type.Optional(
    Type.String({
      pattern: '^[a-z]+(?:-[a-z]+)*(?:\\.(?:[a-z]+(?:-[a-z]+)*|\\*))?$',
      maxLength: 100,
      description: 'An action, or `tag.*` for all that begin so.',
    }),
  ),
  outcome: Type.Optional(Type.Enum(['success', 'failure'])),
  repository: text('Full name of a repository, as it was called then.'),
  address: text('Where it came from: an address, or a network as 10.1.0.0/16.'),
  credential: text('Kind, or kind and id, of the credential: `password`, `personal:12`.'),
  reason: text('Why it was refused: an error code, such as DENIED.'),
  requestId: text('Of one request; it is in every answer and in the access log.'),
  target: text('What it was done to: `user:alice`, `provider:corp`.'),
  since: Type.Optional(Type.String({ format: 'date-time', description: 'From then on.' })),
  until: Type.Optional(Type.String({ format: 'date-time', description: 'Before then; not before `since`.' })),
}

const paging = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'How many records at most; 100 unless said.' })),
  cursor: Type.Optional(Type.String({ maxLength: 1024, description: '`next` of the page before.' })),
  sort: Type.Optional(Type.Enum(['-id', 'id'], { description: 'Newest first unless `id`.' })),
}

const ofProject = {
  project: Type.Optional(Type.String({ minLength: 1, maxLength: 255, description: 'Name of a project, the present or a former one.' })),
}

/** Of everything. */
export const listAudit = defineRoute({
  method: 'GET',
  path: '/audit',
  tag: 'audit',
  summary: 'List records, newest first.',
  demand: { permission: 'audit:list', on: 'system' },
  query: strictObject({ ...paging, ...filters, ...ofProject }),
  response: pageOf(auditRecord),
})

/** Of a project, under its present and former names. */
export const listProjectAudit = defineRoute({
  method: 'GET',
  path: '/projects/{project}/audit',
  tag: 'audit',
  summary: 'List records about a project and what is in it, newest first.',
  demand: { permission: 'audit:list', on: 'project' },
  params: strictObject({ project: Type.String({ maxLength: 255 }) }),
  query: strictObject({ ...paging, ...filters }),
  response: pageOf(auditRecord),
})

/** All of them, oldest first. */
export const exportAudit = defineRoute({
  method: 'GET',
  path: '/audit/export',
  tag: 'audit',
  summary: 'All records that the filters leave, oldest first: JSON lines in ECS field names, or CSV. That it was done is recorded.',
  demand: { permission: 'audit:export', on: 'system' },
  query: strictObject({ format: Type.Optional(Type.Enum(['json', 'csv'])), ...filters, ...ofProject }),
  produces: ['application/x-ndjson', 'text/csv'],
})

/** Of a project, oldest first. */
export const exportProjectAudit = defineRoute({
  method: 'GET',
  path: '/projects/{project}/audit/export',
  tag: 'audit',
  summary:
    'All records about a project that the filters leave, oldest first: JSON lines in ECS field names, or CSV. That it was done is recorded.',
  demand: { permission: 'audit:export', on: 'project' },
  params: strictObject({ project: Type.String({ maxLength: 255 }) }),
  query: strictObject({ format: Type.Optional(Type.Enum(['json', 'csv'])), ...filters }),
  produces: ['application/x-ndjson', 'text/csv'],
})

const fault = strictObject({
  kind: Type.Enum(['missing-seal', 'rows', 'content'], {
    description:
      '`missing-seal`: a seal before this one is gone; `rows`: records are missing or were put in; `content`: a record or a seal was changed.',
  }),
  firstId: Type.Integer(),
  lastId: Type.Integer(),
  sealedAt: instant,
  expectedRows: Type.Integer(),
  foundRows: Type.Integer(),
})

/** Whether the records still are what they were. */
export const verifyAudit = defineRoute({
  method: 'GET',
  path: '/audit/verification',
  tag: 'audit',
  summary: 'Compare records with their seals, oldest first; with `next`, ask again with `after` to go on.',
  demand: { permission: 'audit:list', on: 'system' },
  query: strictObject({
    after: Type.Optional(Type.Integer({ minimum: 0, description: '`next` of the call before.' })),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 20_000, description: 'How many records to look at, about; 20,000 unless said.' }),
    ),
    expected: Type.Optional(
      Type.String({ pattern: '^[0-9a-f]{64}$', description: 'Hash of a seal that was kept elsewhere and should be there.' }),
    ),
  }),
  response: strictObject({
    seals: Type.Integer(),
    records: Type.Integer(),
    purgedSeals: Type.Integer({ description: 'Seals whose records were purged by age.' }),
    fault: nullOr(fault),
    next: nullOr(Type.Integer()),
    head: nullOr(strictObject({ lastId: Type.Integer(), hash: Type.String(), at: instant })),
    unsealed: Type.Integer({ description: 'Records, about, that no seal is over yet.' }),
    isExpectedFound: Type.Boolean(),
  }),
})

export const auditContracts: readonly RouteContract[] = [listAudit, exportAudit, verifyAudit, listProjectAudit, exportProjectAudit]
