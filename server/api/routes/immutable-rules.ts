/** Immutable tag rules of projects. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'
import { warnings } from '#api/warnings.ts'

// No control characters, which would break lines of lists and logs.
const pattern = (description: string, examples: string[]) =>
  Type.String({ minLength: 1, maxLength: 256, pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]+$', description, examples })
const repositories = pattern('Glob over whole names of repositories; those of the project, and of projects below it, that it fits.', [
  '**',
  'team/web-*',
])
const tags = pattern('Which tags, whole: a glob, a regular expression (RE2) or a range of semantic versions.', ['v*', '{stable,release-*}'])
const tagSyntax = Type.Enum(['glob', 'regex', 'semver'])
const description = Type.String({ maxLength: 1000 })
const isEnabled = Type.Boolean({ description: 'False: it keeps nothing.' })

/** A rule. */
export const immutableRule = strictObject({
  id: Type.Integer(),
  project: Type.String(),
  repositories,
  tagSyntax,
  tags,
  description,
  isEnabled,
  createdBy: Type.String(),
  createdAt: instant,
  updatedAt: instant,
  version: Type.Integer(),
  warnings,
})

const inProject = { project: Type.String() }
const ofProject = strictObject({ ...inProject, rule: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) })

/** List the immutable tag rules of a project. */
export const listImmutableRules = defineRoute({
  method: 'GET',
  path: '/projects/{project}/immutable-tag-rules',
  tag: 'immutable tags',
  summary: 'List the immutable tag rules of a project. Those of the projects above it hold there too.',
  demand: { permission: 'immutability:list', on: 'project' },
  params: strictObject(inProject),
  query: strictObject(pageQuery(['createdAt'])),
  response: pageOf(immutableRule),
})

/** Make an immutable tag rule. */
export const createImmutableRule = defineRoute({
  method: 'POST',
  path: '/projects/{project}/immutable-tag-rules',
  tag: 'immutable tags',
  summary: 'Make an immutable tag rule: tags that it fits, those that are there too, are neither moved nor deleted.',
  demand: { permission: 'immutability:create', on: 'project' },
  params: strictObject(inProject),
  body: strictObject({
    tags,
    tagSyntax: Type.Optional(tagSyntax),
    repositories: Type.Optional(repositories),
    description: Type.Optional(description),
    isEnabled: Type.Optional(isEnabled),
  }),
  response: immutableRule,
  status: 201,
  hasEtag: true,
})

/** Read an immutable tag rule. */
export const readImmutableRule = defineRoute({
  method: 'GET',
  path: '/projects/{project}/immutable-tag-rules/{rule}',
  tag: 'immutable tags',
  summary: 'Read an immutable tag rule.',
  demand: { permission: 'immutability:read', on: 'project' },
  params: ofProject,
  response: immutableRule,
  hasEtag: true,
})

/** Change an immutable tag rule. */
export const updateImmutableRule = defineRoute({
  method: 'PATCH',
  path: '/projects/{project}/immutable-tag-rules/{rule}',
  tag: 'immutable tags',
  summary: 'Change an immutable tag rule.',
  demand: { permission: 'immutability:update', on: 'project' },
  params: ofProject,
  body: Type.Object(
    {
      tags: Type.Optional(tags),
      tagSyntax: Type.Optional(tagSyntax),
      repositories: Type.Optional(repositories),
      description: Type.Optional(description),
      isEnabled: Type.Optional(isEnabled),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  response: immutableRule,
  hasEtag: true,
})

/** Delete an immutable tag rule. */
export const deleteImmutableRule = defineRoute({
  method: 'DELETE',
  path: '/projects/{project}/immutable-tag-rules/{rule}',
  tag: 'immutable tags',
  summary: 'Delete an immutable tag rule. What it kept can be moved and deleted from then on.',
  demand: { permission: 'immutability:delete', on: 'project' },
  params: ofProject,
  hasEtag: true,
})

/** For routes/all.ts. */
export const immutableRuleContracts: readonly RouteContract[] = [
  listImmutableRules,
  createImmutableRule,
  readImmutableRule,
  updateImmutableRule,
  deleteImmutableRule,
]
