/** Labels: for all repositories, of projects, and on manifests. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'

// No control characters, which would break lines of lists and logs.
const name = Type.String({ minLength: 1, maxLength: 128, pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]+$' })
const color = Type.String({ pattern: '^#[0-9a-fA-F]{6}$', examples: ['#2da44e'], description: 'Kept in lower case.' })
const description = Type.String({ maxLength: 1000 })

/** A label. */
export const label = strictObject({
  id: Type.Integer(),
  name,
  color,
  description,
  project: Type.Optional(Type.String({ description: 'The project that it is of; absent: it is for all.' })),
  createdAt: instant,
  updatedAt: instant,
  version: Type.Integer(),
})

const newLabel = strictObject({ name, color: Type.Optional(color), description: Type.Optional(description) })
const change = Type.Object(
  { name: Type.Optional(name), color: Type.Optional(color), description: Type.Optional(description) },
  { additionalProperties: false, minProperties: 1 },
)
const labelId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const list = {
  ...pageQuery(['name', 'createdAt']),
  name: Type.Optional(Type.String({ maxLength: 128, description: 'Only those whose names begin so.' })),
}

const ofAll = strictObject({ label: labelId })
const ofProject = strictObject({ project: Type.String(), label: labelId })

/** List the labels that are for all repositories. */
export const listLabels = defineRoute({
  method: 'GET',
  path: '/labels',
  tag: 'labels',
  summary: 'List the labels that are for all repositories.',
  demand: { who: 'signed-in' },
  query: strictObject(list),
  response: pageOf(label),
})

/** Make a label for all repositories. */
export const createLabel = defineRoute({
  method: 'POST',
  path: '/labels',
  tag: 'labels',
  summary: 'Make a label for all repositories.',
  demand: { permission: 'label:create', on: 'system' },
  body: newLabel,
  response: label,
  status: 201,
  hasEtag: true,
})

/** Read a label that is for all repositories. */
export const readLabel = defineRoute({
  method: 'GET',
  path: '/labels/{label}',
  tag: 'labels',
  summary: 'Read a label that is for all repositories.',
  demand: { who: 'signed-in' },
  params: ofAll,
  response: label,
  hasEtag: true,
})

/** Change a label that is for all repositories. */
export const updateLabel = defineRoute({
  method: 'PATCH',
  path: '/labels/{label}',
  tag: 'labels',
  summary: 'Change a label that is for all repositories.',
  demand: { permission: 'label:update', on: 'system' },
  params: ofAll,
  body: change,
  response: label,
  hasEtag: true,
})

/** Delete a label that is for all repositories, and take it off every manifest. */
export const deleteLabel = defineRoute({
  method: 'DELETE',
  path: '/labels/{label}',
  tag: 'labels',
  summary: 'Delete a label that is for all repositories, and take it off every manifest.',
  demand: { permission: 'label:delete', on: 'system' },
  params: ofAll,
  hasEtag: true,
})

/** List the labels of a project; with usable, all that its manifests may have. */
export const listProjectLabels = defineRoute({
  method: 'GET',
  path: '/projects/{project}/labels',
  tag: 'labels',
  summary: 'List the labels of a project; with usable, all that its manifests may have.',
  demand: { permission: 'label:list', on: 'project' },
  params: strictObject({ project: Type.String() }),
  query: strictObject({
    ...list,
    usable: Type.Optional(Type.Boolean({ description: 'With those of the projects above it, and those for all.' })),
  }),
  response: pageOf(label),
})

/** Make a label for a project and those below it. */
export const createProjectLabel = defineRoute({
  method: 'POST',
  path: '/projects/{project}/labels',
  tag: 'labels',
  summary: 'Make a label for a project and those below it.',
  demand: { permission: 'label:create', on: 'project' },
  params: strictObject({ project: Type.String() }),
  body: newLabel,
  response: label,
  status: 201,
  hasEtag: true,
})

/** Read a label of a project. */
export const readProjectLabel = defineRoute({
  method: 'GET',
  path: '/projects/{project}/labels/{label}',
  tag: 'labels',
  summary: 'Read a label of a project.',
  demand: { permission: 'label:read', on: 'project' },
  params: ofProject,
  response: label,
  hasEtag: true,
})

/** Change a label of a project. */
export const updateProjectLabel = defineRoute({
  method: 'PATCH',
  path: '/projects/{project}/labels/{label}',
  tag: 'labels',
  summary: 'Change a label of a project.',
  demand: { permission: 'label:update', on: 'project' },
  params: ofProject,
  body: change,
  response: label,
  hasEtag: true,
})

/** Delete a label of a project, and take it off every manifest. */
export const deleteProjectLabel = defineRoute({
  method: 'DELETE',
  path: '/projects/{project}/labels/{label}',
  tag: 'labels',
  summary: 'Delete a label of a project, and take it off every manifest.',
  demand: { permission: 'label:delete', on: 'project' },
  params: ofProject,
  hasEtag: true,
})

const onManifest = { repository: Type.String(), digest: Type.String({ maxLength: 255 }) }

/** List the labels of a manifest. */
export const listManifestLabels = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/manifests/{digest}/labels',
  tag: 'labels',
  summary: 'List the labels of a manifest.',
  demand: { permission: 'manifest:read', on: 'repository' },
  params: strictObject(onManifest),
  response: strictObject({ items: Type.Array(label) }),
})

/** Put a label on a manifest: one for all, of its project, or of a project above that. */
export const addManifestLabel = defineRoute({
  method: 'PUT',
  path: '/repositories/{repository}/manifests/{digest}/labels/{label}',
  tag: 'labels',
  summary: 'Put a label on a manifest: one for all, of its project, or of a project above that.',
  demand: { permission: 'manifest:label', on: 'repository' },
  params: strictObject({ ...onManifest, label: labelId }),
})

/** Take a label off a manifest. */
export const removeManifestLabel = defineRoute({
  method: 'DELETE',
  path: '/repositories/{repository}/manifests/{digest}/labels/{label}',
  tag: 'labels',
  summary: 'Take a label off a manifest.',
  demand: { permission: 'manifest:label', on: 'repository' },
  params: strictObject({ ...onManifest, label: labelId }),
})

/** For routes/all.ts. */
export const labelContracts: readonly RouteContract[] = [
  listLabels,
  createLabel,
  readLabel,
  updateLabel,
  deleteLabel,
  listProjectLabels,
  createProjectLabel,
  readProjectLabel,
  updateProjectLabel,
  deleteProjectLabel,
  listManifestLabels,
  addManifestLabel,
  removeManifestLabel,
]
