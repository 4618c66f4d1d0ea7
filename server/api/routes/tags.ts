/** Tags of a repository, and what each of them pointed at. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'
import { warnings } from '#api/warnings.ts'
import { inRepository, searchText } from './repositories.ts'
import { missing } from './trash.ts'

/** A label as it stands on a tag or a manifest. */
export const attachedLabel = strictObject({ id: Type.Integer(), name: Type.String(), color: Type.String() })

/** How big what a manifest stands for is. */
export const totalSize = {
  totalSizeBytes: Type.Integer({
    description: 'Of the document and all that it needs, each blob once; for an index with its manifests that are here.',
  }),
  totalSizeIsExact: Type.Boolean({ description: 'False: there is more of it than was counted.' }),
}

/** How often something was pulled. */
export const pullFacts = {
  pulls: Type.Integer({ description: 'GETs of a manifest that were answered with it, by this tag or of this manifest; a minute behind.' }),
  lastPulledAt: Type.Optional({ ...instant, description: 'Absent: never since pulls are counted.' }),
}

/** The only form in which a digest is taken. */
export const digestText = Type.String({ maxLength: 135, pattern: '^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$' })

const tagText = Type.String({ minLength: 1, maxLength: 128, pattern: '^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$' })

/** A tag. */
export const tag = strictObject({
  name: Type.String(),
  digest: Type.String(),
  mediaType: Type.String({ description: 'Of the manifest that it points at.' }),
  artifactType: Type.Optional(Type.String()),
  sizeBytes: Type.Integer({ description: 'Of the manifest’s document alone.' }),
  ...totalSize,
  createdAt: instant,
  updatedAt: Type.String({ format: 'date-time', description: 'When it was last pointed somewhere else.' }),
  labels: Type.Array(attachedLabel),
  ...pullFacts,
  isImmutable: Type.Boolean({ description: 'An immutable tag rule keeps it as it is.' }),
  expiresAt: Type.Optional({ ...instant, description: 'When it is deleted by itself; absent: never.' }),
})

const oneTag = strictObject({ ...inRepository, tag: Type.String({ maxLength: 255 }) })

export const listTags = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/tags',
  tag: 'tags',
  summary: 'List the tags of a repository. A page that is narrowed by label may be short although there is more: `next` tells.',
  demand: { permission: 'tag:list', on: 'repository' },
  params: strictObject(inRepository),
  query: strictObject({
    ...pageQuery(['name', 'updatedAt']),
    q: Type.Optional({ ...searchText, description: 'Only those that begin so.' }),
    label: Type.Optional(
      Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Only those of manifests with this label.' }),
    ),
  }),
  response: pageOf(tag),
})

export const createTag = defineRoute({
  method: 'POST',
  path: '/repositories/{repository}/tags',
  tag: 'tags',
  summary:
    'Point a tag at a manifest that is here. Moving a tag that is there takes tag:update; If-Match binds that to the digest that it points at.',
  demand: { permission: 'tag:create', on: 'repository' },
  params: strictObject(inRepository),
  body: strictObject({ name: tagText, digest: digestText }),
  response: tag,
  status: 201,
  hasEtag: 'digest',
})

export const readTag = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/tags/{tag}',
  tag: 'tags',
  summary: 'Read a tag.',
  demand: { permission: 'tag:list', on: 'repository' },
  params: oneTag,
  response: tag,
  hasEtag: 'digest',
})

export const updateTag = defineRoute({
  method: 'PATCH',
  path: '/repositories/{repository}/tags/{tag}',
  tag: 'tags',
  summary: 'Set when a tag expires. Pointing it somewhere else ends that. An immutable tag stays for as long as a rule keeps it.',
  demand: { permission: 'tag:update', on: 'repository' },
  params: oneTag,
  body: strictObject({
    expiresAt: Type.Union([instant, Type.Null()], {
      description: 'When it is deleted by itself: later than now; null: never.',
      examples: ['2030-01-01T00:00:00Z'],
    }),
  }),
  response: strictObject({ ...tag.properties, warnings }),
  hasEtag: 'digest',
})

export const deleteTag = defineRoute({
  method: 'DELETE',
  path: '/repositories/{repository}/tags/{tag}',
  tag: 'tags',
  summary: 'Delete a tag. The manifest stays.',
  demand: { permission: 'tag:delete', on: 'repository' },
  params: oneTag,
  hasEtag: 'digest',
})

export const listTagHistory = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/tags/{tag}/history',
  tag: 'tags',
  summary: 'List what a tag pointed at, latest first. The tag need not be there any more.',
  demand: { permission: 'tag:list', on: 'repository' },
  params: oneTag,
  query: strictObject({ ...pageQuery([]), sort: Type.Optional(Type.Enum(['-at', 'at'])) }),
  response: pageOf(
    strictObject({
      id: Type.Integer({ description: 'By which the tag can be restored to what it was.' }),
      action: Type.Enum(['pushed', 'moved', 'deleted', 'restored'], {
        description: '`pushed`: it was not there before, and was pushed or pointed at a manifest that was here.',
      }),
      digest: Type.Optional(Type.String({ description: 'Absent: it was deleted.' })),
      previousDigest: Type.Optional(Type.String({ description: 'Absent: it was not there.' })),
      state: Type.Enum(['here', 'trash', 'gone'], {
        description: 'Where the manifest is now that it pointed at after the change; of a deletion, before it.',
      }),
      at: instant,
      actor: Type.String({ description: 'By name; empty for anonymous.' }),
      reason: Type.Optional(
        Type.String({ description: 'Why it was deleted, where nobody asked for it: `retention`, `expiry`, `untagged`.' }),
      ),
    }),
  ),
})

export const restoreTag = defineRoute({
  method: 'POST',
  path: '/repositories/{repository}/tags/{tag}/restore',
  tag: 'tags',
  summary:
    'Point a tag at what it was before it was deleted or last moved, or at another value of its history; it does not expire any more. Moving a tag that is there takes tag:update, a manifest that is in the trash trash:restore.',
  demand: { permission: 'tag:create', on: 'repository' },
  params: oneTag,
  isBodyOptional: true,
  body: strictObject({
    digest: Type.Optional({ ...digestText, description: 'Of a manifest that is here or in the trash.' }),
    change: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Id of an entry of the history: what the tag pointed at after it; of a deletion, before it.',
      }),
    ),
    force: Type.Optional(Type.Boolean({ description: 'Also when what comes out of the trash lacks what it needs.' })),
  }),
  response: strictObject({ ...tag.properties, missing }),
  hasEtag: 'digest',
})

/** In the order of the documentation. */
export const tagContracts: readonly RouteContract[] = [listTags, createTag, readTag, updateTag, deleteTag, listTagHistory, restoreTag]
