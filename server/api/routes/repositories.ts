/** Repositories: those that the caller may see, and what is in one of them. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'

/** What people search for: any text in one line. What no name can hold finds nothing. */
export const searchText = Type.String({ maxLength: 255, pattern: '^[^\\x00-\\x1f\\x7f]*$' })

const members = {
  name: Type.String({ description: 'The full name, the project’s included.' }),
  project: Type.String({ description: 'Name of the project that it belongs to.' }),
  description: Type.String(),
  createdAt: instant,
  updatedAt: Type.String({ format: 'date-time', description: 'Of the last push, delete or change, to about a minute.' }),
  tagCount: Type.Integer(),
  tagCountIsExact: Type.Boolean({ description: 'False: it has as many tags or more.' }),
}

/** A repository in a list. */
export const repositorySummary = strictObject(members)

/** A repository by itself. */
export const repositoryDetails = strictObject({
  ...members,
  manifestCount: Type.Integer(),
  manifestCountIsExact: Type.Boolean({ description: 'False: it has as many manifests or more.' }),
  sizeBytes: Type.Integer({ description: 'Of its blobs, each once. Blobs that other repositories have too are counted in each.' }),
  sizeIsExact: Type.Boolean({ description: 'False: of the first 10,000 blobs alone.' }),
  version: Type.Integer({ description: 'Counts changes of the description: the ETag.' }),
})

/** The path parameter of all that is in a repository. */
export const inRepository = { repository: Type.String({ maxLength: 255, description: 'Full name, percent-encoded.' }) }

export const listRepositories = defineRoute({
  method: 'GET',
  path: '/repositories',
  tag: 'repositories',
  summary:
    'List the repositories that the caller may see, empty ones too. A page that is narrowed by `q`, or of somebody who sees by globs that begin with a wildcard, may be short although there is more: `next` tells.',
  demand: { who: 'anyone', permission: 'repository:list', on: 'visible' },
  query: strictObject({
    ...pageQuery(['name', 'updatedAt']),
    name: Type.Optional({ ...searchText, description: 'Only those whose names begin so.' }),
    q: Type.Optional({ ...searchText, description: 'Only those with this anywhere in their names.' }),
    project: Type.Optional({ ...searchText, description: 'Only those of this project; those of projects below it are not.' }),
  }),
  response: pageOf(repositorySummary),
})

export const readRepository = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}',
  tag: 'repositories',
  summary: 'Read a repository, by its name or a former one.',
  demand: { permission: 'repository:read', on: 'repository' },
  params: strictObject(inRepository),
  response: repositoryDetails,
  hasEtag: true,
})

export const updateRepository = defineRoute({
  method: 'PATCH',
  path: '/repositories/{repository}',
  tag: 'repositories',
  summary: 'Describe a repository.',
  demand: { permission: 'repository:update', on: 'repository' },
  params: strictObject(inRepository),
  body: strictObject({ description: Type.String({ maxLength: 20_000 }) }),
  response: repositoryDetails,
  hasEtag: true,
})

export const deleteRepository = defineRoute({
  method: 'DELETE',
  path: '/repositories/{repository}',
  tag: 'repositories',
  summary: 'Delete a repository with everything in it.',
  demand: { permission: 'repository:delete', on: 'repository' },
  params: strictObject(inRepository),
  hasEtag: true,
})

/** In the order of the documentation. */
export const repositoryContracts: readonly RouteContract[] = [listRepositories, readRepository, updateRepository, deleteRepository]
