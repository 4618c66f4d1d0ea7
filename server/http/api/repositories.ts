/** Serves api/routes/repositories.ts. */
import * as routes from '#api/routes/repositories.ts'
import { visibleHere } from '#http/gate.ts'
import { deleteRepository } from '#registry/delete-repository.ts'
import { describeRepository, updateRepository, type RepositoryDescription } from '#registry/describe-repository.ts'
import { listRepositoryRows, type ListedRepository } from '#registry/list-repository-rows.ts'
import { parseRepositoryName, type RepositoryName } from '#oci/reference.ts'
import type { HttpParts } from '#http/exchange.ts'
import { actorOf } from '#http/exchange.ts'
import { deletedPlace } from './deleted-place.ts'
import { instantOf, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

const sorts = { name: 'text', updatedAt: 'number' } as const

function summaryOf(row: ListedRepository) {
  return {
    name: row.name,
    project: row.project,
    description: row.description,
    createdAt: instantOf(row.createdAt),
    // Rows of before have no instant of a change.
    updatedAt: instantOf(Math.max(row.createdAt, row.updatedAt)),
    tagCount: row.tags.count,
    tagCountIsExact: row.tags.isExact,
  }
}

function detailsOf(row: RepositoryDescription) {
  return {
    ...summaryOf(row),
    manifestCount: row.manifests.count,
    manifestCountIsExact: row.manifests.isExact,
    sizeBytes: row.size.sizeBytes,
    sizeIsExact: row.size.isExact,
    version: row.version,
  }
}

async function answerOf({ registry }: HttpParts, repository: RepositoryName) {
  const described = await describeRepository(registry, repository)
  return { body: detailsOf(described), version: described.version }
}

/** The project of a filter: undefined for none, `'none'` where there is no such project. */
async function wantedProject({ access }: HttpParts, name: string | undefined): Promise<number | 'none' | undefined> {
  if (name === undefined) return undefined
  const project = parseRepositoryName(name) === undefined ? undefined : await access.project(name)
  return project?.id ?? 'none'
}

/** Repositories. */
export const repositoryRoutes: readonly ServedRoute[] = [
  serve(routes.listRepositories, async ({ parts, exchange, principal, query, page }) => {
    const projectId = await wantedProject(parts, query.project)
    if (projectId === 'none') return { body: { items: [] } }
    const visibility = await visibleHere(exchange, principal, 'repository:list')
    const filter = { namePrefix: query.name, nameHas: query.q?.toLowerCase(), projectId }
    return { body: pageBody(await listRepositoryRows(parts.registry, visibility, { filter, page: sortedPage(page, sorts) }), summaryOf) }
  }),
  serve(routes.readRepository, async ({ parts, repository }) => await answerOf(parts, repository)),
  serve(routes.updateRepository, async ({ parts, repository, body, ifMatch, who }) => {
    await updateRepository(parts.registry, repository, { description: body.description, expectedVersion: ifMatch }, who)
    return await answerOf(parts, repository)
  }),
  serve(routes.deleteRepository, async ({ parts, repository, params, exchange, ifMatch }) => {
    await deleteRepository(parts.registry, repository, actorOf(exchange), { expectedVersion: ifMatch })
    return deletedPlace(parts, { asked: params.repository, repository })
  }),
]
