/** Retention: policies of projects, their runs, and what these decided. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'
import { warnings } from '#api/warnings.ts'

const name = Type.String({
  pattern: '^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$',
  maxLength: 64,
  examples: ['ci-snapshots'],
  description: 'Lower case letters, digits, and . _ - between them.',
})
// No control characters, which would break lines of lists and logs.
const ruleName = Type.String({ minLength: 1, maxLength: 64, pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]+$', examples: ['releases'] })
const pattern = Type.String({ minLength: 1, maxLength: 256 })
const count = (description: string) => Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, description }))
const days = (description: string) => Type.Optional(Type.Integer({ minimum: 1, maximum: 36_500, description }))

const rule = strictObject({
  name: Type.Optional(ruleName),
  tags: Type.Optional(
    strictObject({
      syntax: Type.Optional(Type.Enum(['glob', 'regex', 'semver'], { description: 'Of both patterns; glob unless said.' })),
      matches: Type.Optional(pattern),
      excludes: Type.Optional(pattern),
    }),
  ),
  keep: Type.Object(
    {
      latestPushed: count('So many tags that were pushed last.'),
      latestPulled: count('So many tags that were pulled last; a push counts as a pull.'),
      pushedWithinDays: days('Tags pushed within so many days.'),
      pulledWithinDays: days('Tags pulled within so many days; a push counts as a pull.'),
      perMinor: count('Of each minor version so many of the highest versions.'),
      perMajor: count('Of each major version so many of the highest versions.'),
      always: Type.Optional(Type.Literal(true, { description: 'All that the rule is about.' })),
    },
    { additionalProperties: false, minProperties: 1, maxProperties: 1 },
  ),
})

const rules = Type.Array(rule, { minItems: 1, maxItems: 20, description: 'A tag that any of them keeps stays.' })
const unmatched = Type.Enum(['keep', 'remove'], { description: 'What happens to a tag that no rule is about; keep unless said.' })
const mayEmpty = Type.Boolean({
  description: 'The last tag of a repository may go, too; unless said, the one that was pushed last stays.',
})
const repositories = Type.String({
  minLength: 1,
  maxLength: 255,
  examples: ['team/**'],
  description:
    'Glob of whole repository names: of those of the project and of projects below it, the policy is about these. ** unless said.',
})
const schedule = Type.String({
  maxLength: 100,
  examples: ['0 3 * * *'],
  description: 'A cron expression of five fields, or `every 6h`; empty: by hand.',
})

const members = {
  description: Type.String({ maxLength: 1000 }),
  isEnabled: Type.Boolean({ description: 'Off: it runs by no schedule, and by hand only dry.' }),
  repositories,
  rules,
  unmatched,
  mayEmptyRepositories: mayEmpty,
  schedule,
  timeZone: Type.String({ minLength: 1, maxLength: 100, examples: ['Europe/Berlin'] }),
}
const optional = {
  description: Type.Optional(members.description),
  isEnabled: Type.Optional(members.isEnabled),
  repositories: Type.Optional(repositories),
  unmatched: Type.Optional(unmatched),
  mayEmptyRepositories: Type.Optional(mayEmpty),
  schedule: Type.Optional(schedule),
  timeZone: Type.Optional(members.timeZone),
}

/** A policy. */
export const retentionPolicy = strictObject({
  name,
  project: Type.String(),
  ...members,
  nextAt: Type.Union([instant, Type.Null()], { description: 'When its schedule comes next.' }),
  revision: Type.Integer({
    description:
      'Raised by each change of what it decides, and when what kept tags from it (another policy, an immutable tag rule) keeps fewer.',
  }),
  shownRevision: Type.Integer({ description: 'The last revision of which a dry run showed what it would do; 0: none yet.' }),
  createdBy: Type.String(),
  createdAt: instant,
  updatedAt: instant,
  version: Type.Integer(),
  warnings,
})

const action = Type.Enum(['keep', 'remove', 'removed', 'failed'], {
  description: 'remove: it would go (of a dry run), or has not gone yet.',
})

/** A run of a policy. */
export const retentionRun = strictObject({
  id: Type.Integer(),
  policy: Type.String(),
  job: Type.Union([Type.Integer(), Type.Null()], { description: 'The job that runs it, while that is remembered.' }),
  revision: Type.Integer({ description: 'Of the policy.' }),
  isDry: Type.Boolean({ description: 'It removes nothing; `removed` counts what would go.' }),
  trigger: Type.Enum(['manual', 'schedule']),
  state: Type.Enum(['waiting', 'running', 'done', 'failed', 'stopped']),
  kept: Type.Integer(),
  removed: Type.Integer(),
  failed: Type.Integer(),
  error: Type.Union([Type.String(), Type.Null()]),
  startedBy: Type.String(),
  startedAt: instant,
  endedAt: Type.Union([instant, Type.Null()]),
  warnings,
})

/** What became of a tag, and why. */
const decided = {
  repository: Type.String(),
  tag: Type.String(),
  digest: Type.String(),
  action,
  rule: Type.String({ description: 'The rule that won; empty for none.' }),
  reason: Type.String({ examples: ['one of the 10 pushed last'] }),
  pushedAt: instant,
}

const ofProject = strictObject({ project: Type.String() })
const ofPolicy = strictObject({ project: Type.String(), policy: Type.String({ maxLength: 64 }) })
const ofRun = strictObject({ project: Type.String(), run: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) })
const tag = 'retention'

/** List the retention policies of a project. */
export const listRetentionPolicies = defineRoute({
  method: 'GET',
  path: '/projects/{project}/retention-policies',
  tag,
  summary: 'List the retention policies of a project.',
  demand: { permission: 'retention:list', on: 'project' },
  params: ofProject,
  query: strictObject(pageQuery(['name', 'createdAt'])),
  response: pageOf(retentionPolicy),
})

/** Make a retention policy. */
export const createRetentionPolicy = defineRoute({
  method: 'POST',
  path: '/projects/{project}/retention-policies',
  tag,
  summary: 'Make a retention policy. It removes nothing before a dry run has shown what it would remove.',
  demand: { permission: 'retention:create', on: 'project' },
  params: ofProject,
  body: strictObject({ name, rules, ...optional }),
  response: retentionPolicy,
  status: 201,
  hasEtag: true,
})

/** Show what rules would do with one repository. */
export const previewRetention = defineRoute({
  method: 'POST',
  path: '/projects/{project}/retention-policies/preview',
  tag,
  summary: 'Show what rules would do with one repository of at most 20,000 tags; nothing is kept of it.',
  // Rules may be made to be slow, so it is for those who may make policies.
  demand: { permission: 'retention:create', on: 'project' },
  params: ofProject,
  body: strictObject({
    repository: Type.String({ minLength: 1, maxLength: 255 }),
    rules,
    unmatched: Type.Optional(unmatched),
    mayEmptyRepositories: Type.Optional(mayEmpty),
    insteadOf: Type.Optional(Type.String({ maxLength: 64, description: 'The policy that these rules are to replace.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Decisions that are shown; 100 unless said.' })),
  }),
  response: strictObject({
    kept: Type.Integer(),
    removed: Type.Integer(),
    decisions: Type.Array(strictObject(decided), { description: 'What would go first.' }),
  }),
})

/** Read a retention policy. */
export const readRetentionPolicy = defineRoute({
  method: 'GET',
  path: '/projects/{project}/retention-policies/{policy}',
  tag,
  summary: 'Read a retention policy.',
  demand: { permission: 'retention:read', on: 'project' },
  params: ofPolicy,
  response: retentionPolicy,
  hasEtag: true,
})

/** Change a retention policy. */
export const updateRetentionPolicy = defineRoute({
  method: 'PATCH',
  path: '/projects/{project}/retention-policies/{policy}',
  tag,
  summary: 'Change a retention policy. When it decides otherwise, it is run dry before it removes anything again.',
  demand: { permission: 'retention:update', on: 'project' },
  params: ofPolicy,
  body: Type.Object({ rules: Type.Optional(rules), ...optional }, { additionalProperties: false, minProperties: 1 }),
  response: retentionPolicy,
  hasEtag: true,
})

/** Delete a retention policy with the history of its runs. */
export const deleteRetentionPolicy = defineRoute({
  method: 'DELETE',
  path: '/projects/{project}/retention-policies/{policy}',
  tag,
  summary: 'Delete a retention policy with the history of its runs. A run under way ends.',
  demand: { permission: 'retention:delete', on: 'project' },
  params: ofPolicy,
  hasEtag: true,
})

/** List the runs of a retention policy. */
export const listRetentionRuns = defineRoute({
  method: 'GET',
  path: '/projects/{project}/retention-policies/{policy}/runs',
  tag,
  summary: 'List the runs of a retention policy, the latest first.',
  demand: { permission: 'retention:read', on: 'project' },
  params: ofPolicy,
  query: strictObject({ ...pageQuery(['id']), sort: Type.Optional(Type.Enum(['-id', 'id'])) }),
  response: pageOf(retentionRun),
})

/** Run a retention policy. */
export const startRetentionRun = defineRoute({
  method: 'POST',
  path: '/projects/{project}/retention-policies/{policy}/runs',
  tag,
  summary: 'Run a retention policy, dry unless said otherwise.',
  demand: { permission: 'retention:run', on: 'project' },
  params: ofPolicy,
  body: strictObject({
    dryRun: Type.Optional(Type.Boolean({ description: 'false: it removes tags. true unless said.' })),
    shownBy: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'With `dryRun: false`: number of a dry run of the policy as it is. Of what the policy removes by now, only tags go that it showed as going and that were not moved since.',
      }),
    ),
  }),
  response: retentionRun,
  status: 201,
})

/** Read a run. */
export const readRetentionRun = defineRoute({
  method: 'GET',
  path: '/projects/{project}/retention-runs/{run}',
  tag,
  summary: 'Read a run of a retention policy.',
  demand: { permission: 'retention:read', on: 'project' },
  params: ofRun,
  response: retentionRun,
})

/** Stop a run. */
export const stopRetentionRun = defineRoute({
  method: 'POST',
  path: '/projects/{project}/retention-runs/{run}/stop',
  tag,
  summary: 'Stop a run of a retention policy. What it removed stays removed.',
  demand: { permission: 'retention:run', on: 'project' },
  params: ofRun,
})

/** Restore what a run removed. */
export const undoRetentionRun = defineRoute({
  method: 'POST',
  path: '/projects/{project}/retention-runs/{run}/undo',
  tag,
  summary:
    'Restore from the trash what a run removed, 100 deletions at most; go on with `next`. The latest 10 runs of a policy can be undone.',
  demand: { permission: 'trash:restore', on: 'project' },
  params: ofRun,
  isBodyOptional: true,
  body: strictObject({
    before: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: '`next` of the answer before.' })),
  }),
  response: strictObject({
    restored: Type.Integer({ description: 'Deletions that this request took back.' }),
    refused: Type.Array(
      strictObject({ trash: Type.Integer(), repository: Type.String(), tags: Type.Array(Type.String()), reason: Type.String() }),
      { description: 'Deletions that something stands in the way of.' },
    ),
    next: Type.Union([Type.Integer(), Type.Null()], { description: 'null: all were tried.' }),
    notBack: Type.Array(
      strictObject({
        repository: Type.String(),
        tag: Type.String(),
        digest: Type.String(),
        now: Type.Union([Type.String(), Type.Null()], { description: 'What the tag points at by now; null: there is none.' }),
      }),
      { description: 'With the last: up to 100 tags that the run removed and that are not what they were.' },
    ),
  }),
})

/** List what a run decided. */
export const listRetentionDecisions = defineRoute({
  method: 'GET',
  path: '/projects/{project}/retention-runs/{run}/decisions',
  tag,
  summary: 'List what a run decided, tag by tag, with the rule that won. The latest 10 runs of a policy keep it.',
  demand: { permission: 'retention:read', on: 'project' },
  params: ofRun,
  query: strictObject({
    ...pageQuery(['id']),
    action: Type.Optional(Type.Enum(['keep', 'remove', 'removed', 'failed'], { description: '`remove` finds what was removed, too.' })),
    repository: Type.Optional(Type.String({ maxLength: 255, description: 'Only tags of this repository.' })),
    tag: Type.Optional(Type.String({ maxLength: 128, description: 'Only tags of this name.' })),
  }),
  response: pageOf(strictObject(decided)),
})

/** For routes/all.ts. */
export const retentionContracts: readonly RouteContract[] = [
  listRetentionPolicies,
  createRetentionPolicy,
  previewRetention,
  readRetentionPolicy,
  updateRetentionPolicy,
  deleteRetentionPolicy,
  listRetentionRuns,
  startRetentionRun,
  readRetentionRun,
  stopRetentionRun,
  undoRetentionRun,
  listRetentionDecisions,
]
