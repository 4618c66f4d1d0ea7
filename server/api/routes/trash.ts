/** The trash: what was deleted and can be restored for a while. */
import { Type } from 'typebox'
import { warnings } from '#api/warnings.ts'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'

const kind = Type.Enum(['tag', 'manifest', 'repository', 'project'])

const trashReason = Type.Enum(['request', 'retention', 'expiry', 'untagged'], { description: '`request`: somebody deleted it.' })

/** What was deleted. */
export const trashItem = strictObject({
  id: Type.Integer(),
  kind,
  project: Type.String({ description: 'That it was in, by its present name; of a project, the name that it had.' }),
  repository: Type.Optional(Type.String({ description: 'That it was in, by its present name; of a repository, the name that it had.' })),
  digest: Type.Optional(Type.String({ description: 'Of the manifest, or of what the tag pointed at.' })),
  tags: Type.Array(Type.String(), { description: 'The tag, or those that went with the manifest.' }),
  hasMoreTags: Type.Boolean(),
  tagCount: Type.Optional(Type.Integer({ description: 'Of a repository: how many tags it has, counted up to 1,000.' })),
  sizeBytes: Type.Integer({ description: 'What it stood for. Blobs that are needed elsewhere are counted too; 0 for a tag.' }),
  reason: trashReason,
  deletedBy: Type.String({ description: 'By name; empty for anonymous, and where nobody asked for it.' }),
  deletedAt: instant,
  expiresAt: Type.String({ format: 'date-time', description: 'Until then it can be restored.' }),
})

const params = strictObject({ trash: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) })
/** What a restore by force came without. */
export const missing = Type.Array(Type.String(), {
  description: 'Digests of what came back without them: manifests that an index lists, damaged blobs. Only with `force`.',
})
const name = Type.String({ minLength: 1, maxLength: 255 })
const number = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
/** So many of the trash are restored or deleted by one request. */
export const trashBatchMax = 100
/** More are not told. */
export const endedNamesMax = 100
const items = Type.Array(number, {
  minItems: 1,
  maxItems: trashBatchMax,
  description: 'Numbers of the list; each is done, or not, for itself.',
})
/** What became of one of them; a reason goes with `refused`. */
const results = <Done extends string>(done: Done) =>
  strictObject({
    results: Type.Array(
      strictObject({
        trash: Type.Integer(),
        outcome: Type.Enum([done, 'gone', 'refused'], { description: '`gone`: not in the trash, any more, or not for the caller to see.' }),
        code: Type.Optional(Type.String()),
        reason: Type.Optional(Type.String()),
      }),
      { description: 'In the order of the request.' },
    ),
  })

export const listTrash = defineRoute({
  method: 'GET',
  path: '/trash',
  tag: 'trash',
  summary:
    'List what was deleted and can be restored, in projects whose trash the caller may see. What is in a project of the trash is not listed.',
  demand: { who: 'anyone', permission: 'trash:list', on: 'visible' },
  query: strictObject({
    ...pageQuery([]),
    sort: Type.Optional(Type.Enum(['-deletedAt', 'deletedAt'])),
    kind: Type.Optional(kind),
    project: Type.Optional({ ...name, description: 'Only what was in this project, or the project itself.' }),
    repository: Type.Optional({ ...name, description: 'Only what was in this repository, or the repository itself.' }),
    reason: Type.Optional(trashReason),
    run: Type.Optional({ ...number, description: 'Only what this run of a retention policy removed, while its decisions are kept.' }),
  }),
  response: pageOf(trashItem),
})

export const readTrash = defineRoute({
  method: 'GET',
  path: '/trash/{trash}',
  tag: 'trash',
  summary: 'Read what is known of something in the trash, and what would be broken without it.',
  demand: { who: 'anyone', permission: 'trash:list', on: 'thing' },
  params,
  response: strictObject({
    ...trashItem.properties,
    isHere: Type.Boolean({ description: 'Of a manifest: it was pushed again, and is in its repository as well.' }),
    neededBy: Type.Array(Type.String(), {
      description: 'Of a manifest: digests of indexes, here or in the trash, that list it and cannot be whole without it.',
    }),
  }),
})

export const restoreTrash = defineRoute({
  method: 'POST',
  path: '/trash/{trash}/restore',
  tag: 'trash',
  summary: 'Restore what was deleted, whole: a manifest with its tags, children and signatures, a repository, a project.',
  demand: { who: 'anyone', permission: 'trash:restore', on: 'thing' },
  elevationWhen: 'it comes into another project than it was in',
  params,
  isBodyOptional: true,
  body: strictObject({
    name: Type.Optional({
      ...name,
      description:
        'Of a repository or a project: the name that it gets. Another than its own takes the right to make one there. Without a name it comes back under its own, and only where that is in the same project as before.',
    }),
    force: Type.Optional(
      Type.Boolean({ description: 'Also without what it needs and is gone for good; also out of a private project into a public one.' }),
    ),
  }),
  response: strictObject({
    kind,
    project: Type.String(),
    repository: Type.Optional(Type.String()),
    digest: Type.Optional(Type.String()),
    isPublic: Type.Boolean({ description: 'Whether everyone can read the project.' }),
    manifests: Type.Optional(
      Type.Integer({
        description: 'How many came back: of a tag or a manifest, with what it lists and what refers to it. Absent for others.',
      }),
    ),
    tags: Type.Optional(
      Type.Array(Type.String(), { description: 'Of a tag or a manifest: tags that point at what they did, and do not expire.' }),
    ),
    takenTags: Type.Optional(
      Type.Array(Type.String(), { description: 'Of a tag or a manifest: tags that point elsewhere by now, and stay there.' }),
    ),
    missing,
    lostLabels: Type.Array(Type.String(), {
      description: 'Names of labels that are not of the project where it is now, and did not come along.',
    }),
    endedNames: Type.Array(Type.String(), {
      maxItems: endedNamesMax,
      description:
        'Former names, the name itself or below it, that others led elsewhere meanwhile: they end, and are what came back again.',
    }),
    warnings,
  }),
})

export const deleteTrash = defineRoute({
  method: 'DELETE',
  path: '/trash/{trash}',
  tag: 'trash',
  summary: 'Delete for good what is in the trash. Bytes that nothing else holds go with the next garbage collections.',
  demand: { who: 'anyone', permission: 'trash:delete', on: 'thing' },
  needsElevation: true,
  params,
})

export const restoreTrashItems = defineRoute({
  method: 'POST',
  path: '/trash/restore',
  tag: 'trash',
  summary: 'Restore several things from the trash, each under its own name; what stands in the way of one keeps none of the others.',
  demand: { who: 'anyone', permission: 'trash:restore', on: 'thing' },
  elevationWhen: 'it comes into another project than it was in',
  body: strictObject({ items, force: Type.Optional(Type.Boolean({ description: 'Also without what they need and is gone for good.' })) }),
  response: results('restored'),
})

export const deleteTrashItems = defineRoute({
  method: 'POST',
  path: '/trash/delete',
  tag: 'trash',
  summary: 'Delete several things of the trash for good.',
  demand: { who: 'anyone', permission: 'trash:delete', on: 'thing' },
  needsElevation: true,
  body: strictObject({ items }),
  response: results('deleted'),
})

/** In the order of the documentation. */
export const trashContracts: readonly RouteContract[] = [
  listTrash,
  readTrash,
  restoreTrash,
  deleteTrash,
  restoreTrashItems,
  deleteTrashItems,
]
