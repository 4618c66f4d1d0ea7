/** Projects, and the repositories that move between them. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'
import { warnings } from '#api/warnings.ts'

const description = Type.String({ maxLength: 2000 })
const name = Type.String({
  minLength: 1,
  maxLength: 255,
  description: 'The prefix of its repositories’ names: path components between slashes. 200 characters at most.',
})

const untaggedAfterDays = Type.Union([Type.Integer({ minimum: 0, maximum: 36_500 }), Type.Null()], {
  description:
    'For how many days its repositories keep manifests that no tag points at, no index lists and whose subject is not here. Null: always; 0: until `storage.garbagedelay` is over. ' +
    'What goes lies in the trash first. Projects below it decide for themselves.',
})

const members = {
  id: Type.Integer(),
  name,
  description,
  isPublic: Type.Boolean({ description: 'Whoever asks, without an account too, sees and pulls.' }),
  isDefault: Type.Boolean({ description: 'It takes the repositories that no other project’s name fits.' }),
  createdBy: Type.String(),
  createdAt: Type.Union([instant, Type.Null()], { description: 'Null for a project that was there from the start.' }),
  updatedAt: Type.Union([instant, Type.Null()], {
    description: 'Null before the first change of a project that was there from the start.',
  }),
  version: Type.Integer(),
  untaggedAfterDays,
}

/** A project in a list. */
export const projectSummary = strictObject(members)

/** A project by itself. */
export const projectDetails = strictObject({
  ...members,
  repositoryCount: Type.Integer({ description: 'Those of projects below it are not counted.' }),
  formerNames: Type.Array(Type.String(), { description: 'Names that lead to this project.' }),
  warnings,
})

const params = strictObject({ project: Type.String() })

/** List the projects that the caller may see. */
export const listProjects = defineRoute({
  method: 'GET',
  path: '/projects',
  tag: 'projects',
  summary: 'List the projects that the caller may see.',
  demand: { who: 'anyone', permission: 'project:list', on: 'visible' },
  query: strictObject({
    ...pageQuery(['name', 'createdAt', 'updatedAt']),
    name: Type.Optional(Type.String({ maxLength: 255, description: 'Only those whose names begin so.' })),
    public: Type.Optional(Type.Boolean({ description: 'Only public ones, or only private ones.' })),
    mine: Type.Optional(Type.Boolean({ description: 'Only those with a grant to the caller or a group of theirs.' })),
  }),
  response: pageOf(projectSummary),
})

/** Make a project; the caller becomes its administrator. Repositories whose names begin with its name become its own. */
export const createProject = defineRoute({
  method: 'POST',
  path: '/projects',
  tag: 'projects',
  summary: 'Make a project; the caller becomes its administrator. Repositories whose names begin with its name become its own.',
  demand: { who: 'signed-in' },
  alsoNeeds:
    '`project:create` on the project above, or on everything where there is none above; people need none at the top where the setting `projectCreation` is `everyone`; around repositories that are there already `project:delete` on the project that they are in',
  body: strictObject({ name, description: Type.Optional(description), isPublic: Type.Optional(Type.Boolean()) }),
  response: projectDetails,
  status: 201,
  hasEtag: true,
})

/** Read a project, by its name or a former one. */
export const readProject = defineRoute({
  method: 'GET',
  path: '/projects/{project}',
  tag: 'projects',
  summary: 'Read a project, by its name or a former one.',
  demand: { permission: 'project:read', on: 'project' },
  params,
  response: projectDetails,
  hasEtag: true,
})

/** Change what a project says of itself, who sees it, and for how long it keeps what has no tag. */
export const updateProject = defineRoute({
  method: 'PATCH',
  path: '/projects/{project}',
  tag: 'projects',
  summary: 'Change what a project says of itself, who sees it, and for how long it keeps what has no tag.',
  demand: { permission: 'project:update', on: 'project' },
  params,
  body: Type.Object(
    {
      description: Type.Optional(description),
      isPublic: Type.Optional(Type.Boolean()),
      untaggedAfterDays: Type.Optional(untaggedAfterDays),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  response: projectDetails,
  hasEtag: true,
})

/** Rename a project with everything below it; the former name leads to the new one. */
export const renameProject = defineRoute({
  method: 'POST',
  path: '/projects/{project}/rename',
  tag: 'projects',
  summary: 'Rename a project with everything below it; the former name leads to the new one.',
  demand: { permission: 'project:update', on: 'project' },
  alsoNeeds: 'the right to make a project of the new name, and `project:update` on each project that it goes away from under',
  elevationWhen: 'the project comes below another one, or takes the former name of one',
  params,
  body: strictObject({ name }),
  response: projectDetails,
  hasEtag: true,
})

/** Delete a project that has no repositories and none below it; with force, everything in it. */
export const deleteProject = defineRoute({
  method: 'DELETE',
  path: '/projects/{project}',
  tag: 'projects',
  summary: 'Delete a project that has no repositories and none below it; with force, everything in it.',
  demand: { permission: 'project:delete', on: 'project' },
  needsElevation: true,
  params,
  query: strictObject({ force: Type.Optional(Type.Boolean({ description: 'With its repositories, and the projects below it.' })) }),
  hasEtag: true,
})

/** Give a repository another name, in the same project or in another; the former name leads to the new one. */
export const moveRepository = defineRoute({
  method: 'POST',
  path: '/repositories/{repository}/move',
  tag: 'repositories',
  summary: 'Give a repository another name, in the same project or in another; the former name leads to the new one.',
  demand: { permission: 'repository:move', on: 'repository' },
  alsoNeeds: '`repository:create` where it goes',
  elevationWhen: 'it comes into another project',
  params: strictObject({ repository: Type.String() }),
  body: strictObject({
    to: Type.String({ minLength: 1, maxLength: 255 }),
    redirect: Type.Optional(Type.Boolean({ description: 'False: the former name is free again. True unless said.' })),
  }),
  response: strictObject({ repository: Type.String(), project: Type.String(), warnings }),
})

/** For routes/all.ts. */
export const projectContracts: readonly RouteContract[] = [
  listProjects,
  createProject,
  readProject,
  updateProject,
  renameProject,
  deleteProject,
  moveRepository,
]
