/** Manifests of a repository: images, indexes, artifacts, and all that is known of one. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'
import { inRepository, searchText } from './repositories.ts'
import { attachedLabel, pullFacts, totalSize } from './tags.ts'

const text = Type.String()
const optionalText = Type.Optional(text)
const textMap = Type.Record(Type.String(), Type.String())

const facts = {
  digest: text,
  mediaType: text,
  artifactType: Type.Optional(Type.String({ description: 'Its own, else the media type of its config.' })),
  subject: Type.Optional(Type.String({ description: 'Digest of the manifest that it refers to.' })),
  sizeBytes: Type.Integer({ description: 'Of the document alone.' }),
  ...totalSize,
  isChild: Type.Boolean({ description: 'An index of the repository lists it.' }),
  createdAt: instant,
  tags: Type.Array(text),
  hasMoreTags: Type.Boolean(),
  labels: Type.Array(attachedLabel),
  ...pullFacts,
}

/** A manifest in a list, with the first of its tags. */
export const manifestSummary = strictObject(facts)

const descriptorMembers = {
  mediaType: text,
  digest: text,
  sizeBytes: Type.Integer(),
  artifactType: optionalText,
  annotations: Type.Optional(textMap),
}

/** A descriptor (image-spec descriptor.md). */
export const descriptor = strictObject(descriptorMembers)

const step = strictObject({
  created: optionalText,
  createdBy: optionalText,
  comment: optionalText,
  author: optionalText,
  isEmptyLayer: Type.Boolean(),
})

const imageConfig = strictObject({
  os: optionalText,
  architecture: optionalText,
  variant: optionalText,
  created: Type.Optional(Type.String({ description: 'As the image says; RFC 3339 if it keeps to the specification.' })),
  author: optionalText,
  user: optionalText,
  workingDir: optionalText,
  stopSignal: optionalText,
  entrypoint: Type.Array(text),
  cmd: Type.Array(text),
  env: Type.Array(text),
  ports: Type.Array(text),
  volumes: Type.Array(text),
  labels: textMap,
  history: Type.Array(step),
})

/** All that is known of a manifest. */
export const manifestDetails = strictObject({
  ...facts,
  kind: Type.Enum(['manifest', 'index']),
  annotations: textMap,
  config: Type.Optional(imageConfig),
  configDescriptor: Type.Optional(descriptor),
  configProblem: Type.Optional(Type.String({ description: 'Why the config of an image is not told.' })),
  layers: Type.Array(strictObject({ ...descriptorMembers, history: Type.Optional({ ...step, description: 'The step that made it.' }) })),
  layerCount: Type.Integer(),
  platforms: Type.Array(
    strictObject({
      ...descriptorMembers,
      os: optionalText,
      architecture: optionalText,
      variant: optionalText,
      isPresent: Type.Boolean({ description: 'Whether it is a manifest of this repository.' }),
    }),
    { description: 'Entries of an index.' },
  ),
  platformCount: Type.Integer(),
  referrers: Type.Array(descriptor),
  hasMoreReferrers: Type.Boolean(),
  isTruncated: Type.Boolean({ description: 'Layers, platforms or annotations were left out: there are more than are told.' }),
})

const oneManifest = strictObject({ ...inRepository, digest: Type.String({ maxLength: 255 }) })

export const listManifests = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/manifests',
  tag: 'manifests',
  summary: 'List the manifests of a repository. A page that is narrowed may be short although there is more: `next` tells.',
  demand: { permission: 'manifest:list', on: 'repository' },
  params: strictObject(inRepository),
  query: strictObject({
    ...pageQuery([]),
    sort: Type.Optional(Type.Enum(['-createdAt', 'createdAt', '-sizeBytes', 'sizeBytes'])),
    mediaType: Type.Optional(searchText),
    artifactType: Type.Optional(searchText),
    tagged: Type.Optional(Type.Boolean({ description: 'Only those that a tag points at, or only the others.' })),
    child: Type.Optional(
      Type.Boolean({
        description: 'Only those that an index of the repository lists, or only the others: untagged ones of which may be cleaned away.',
      }),
    ),
    label: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Only those with this label.' })),
  }),
  response: pageOf(manifestSummary),
})

export const readManifest = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/manifests/{digest}',
  tag: 'manifests',
  summary: 'Read all that is known of a manifest: config, layers, history, platforms, annotations, referrers, sizes.',
  demand: { permission: 'manifest:read', on: 'repository' },
  params: oneManifest,
  response: manifestDetails,
})

export const readManifestDocument = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/manifests/{digest}/document',
  tag: 'manifests',
  summary: 'Read the document of a manifest as it was pushed. That counts as no pull.',
  demand: { permission: 'manifest:read', on: 'repository' },
  params: oneManifest,
  response: strictObject({ mediaType: text, text: Type.String({ description: 'Its bytes, as UTF-8.' }) }),
})

export const deleteManifest = defineRoute({
  method: 'DELETE',
  path: '/repositories/{repository}/manifests/{digest}',
  tag: 'manifests',
  summary: 'Delete a manifest with its tags.',
  demand: { permission: 'manifest:delete', on: 'repository' },
  params: oneManifest,
})

export const listManifestReferrers = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/manifests/{digest}/referrers',
  tag: 'manifests',
  summary: 'List what refers to a manifest: signatures, SBOMs, attestations. The manifest itself need not be here.',
  demand: { permission: 'manifest:read', on: 'repository' },
  params: oneManifest,
  query: strictObject({ cursor: pageQuery([]).cursor, artifactType: Type.Optional(searchText) }),
  response: pageOf(descriptor),
})

/** In the order of the documentation. */
export const manifestContracts: readonly RouteContract[] = [
  listManifests,
  readManifest,
  readManifestDocument,
  deleteManifest,
  listManifestReferrers,
]
