/** Serves api/routes/trash.ts. */
import type { Principal } from '#access/principal.ts'
import type { Permission } from '#api/permissions.ts'
import * as routes from '#api/routes/trash.ts'
import type { HttpParts } from '#http/exchange.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseRepositoryName, type RepositoryName } from '#oci/reference.ts'
import { listTrash, type ListedTrash } from '#registry/list-trash.ts'
import { purgeTrash } from '#registry/purge-trash.ts'
import { describeTrash, placeOfRestore, readTrash, restoreTrash, type TrashRestore } from '#registry/restore-trash.ts'
import { hiddenProjectName, trashUnknown } from '#registry/trash-words.ts'
import { instantOf, pageBody } from './page-body.ts'
import { requireCreation, requirePlace } from './projects.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

type Trash = NonNullable<Awaited<ReturnType<typeof readTrash>>>

function itemOf(row: ListedTrash) {
  return {
    id: row.id,
    kind: row.kind,
    project: row.project,
    ...(row.repository !== '' && { repository: row.repository }),
    ...(row.digest !== undefined && { digest: row.digest }),
    tags: [...row.tags],
    hasMoreTags: row.hasMoreTags,
    sizeBytes: row.sizeBytes,
    reason: row.reason,
    deletedBy: row.deletedBy,
    deletedAt: instantOf(row.deletedAt),
    expiresAt: instantOf(row.expiresAt),
  }
}

/** By the project that it was in. A project that is itself in the trash: by the rights on it, which its members keep, or on the one that was above it. */
async function mayDo({ access }: HttpParts, principal: Principal, permission: Permission, row: Trash): Promise<boolean> {
  if (row.kind !== 'project') return await access.may(principal, permission, { project: row.project })
  if (await access.may(principal, permission, { project: hiddenProjectName(row) })) return true
  const above = await access.project(row.project, 'above')
  if (above === undefined || !row.project.startsWith(`${above.name}/`)) return false
  return await access.may(principal, permission, { project: above.name })
}

/** What the caller may not see of the trash is not there. Throws UNAUTHORIZED, RESOURCE_UNKNOWN or DENIED. */
async function requireTrash(parts: HttpParts, principal: Principal, permission: Permission, id: number): Promise<Trash> {
  const row = await readTrash(parts.registry, id)
  if (row !== undefined && (await mayDo(parts, principal, permission, row))) return row
  if (principal.isAnonymous) throw new RegistryError('UNAUTHORIZED')
  if (row === undefined || !(await mayDo(parts, principal, 'trash:list', row))) throw trashUnknown(id)
  throw new RegistryError('DENIED', undefined, { message: `this takes the permission ${permission}` })
}

/** Where it comes back: judged by who may make a repository or a project there, unless it is where it was. */
async function whereTo(parts: HttpParts, principal: Principal, row: Trash, name: string | undefined): Promise<TrashRestore> {
  if (row.kind === 'project') {
    if (name !== undefined && name !== row.project) await requireCreation(parts, principal, name)
    return { row, name }
  }
  if (row.kind !== 'repository') {
    if (name === undefined) return { row }
    throw new RegistryError('REQUEST_INVALID', { path: 'name' }, { message: 'only a repository or a project can get another name' })
  }
  const wanted = name === undefined ? undefined : parseRepositoryName(name)
  if (name !== undefined && wanted === undefined)
    throw new RegistryError('REQUEST_INVALID', { path: 'name' }, { message: 'name is no name of a repository' })
  const own = await placeOfRestore(parts.registry, row, undefined)
  const place = await placeOfRestore(parts.registry, row, wanted)
  const isItsOwn = place.repository === own.repository && place.project.id === row.projectId
  const projectId = isItsOwn ? place.project.id : (await requirePlace(parts, principal, place.repository)).project.id
  return { row, place: { to: place.repository, projectId } }
}

/** The trash. */
export const trashRoutes: readonly ServedRoute[] = [
  serve(routes.listTrash, async ({ parts, principal, query, page }) => {
    const visibility = await parts.access.visibility(principal, 'trash:list')
    const repository = query.repository === undefined ? undefined : await presentName(parts, query.repository)
    if (repository === 'none') return { body: { items: [] } }
    const project = query.project === undefined ? undefined : await wantedProject(parts, query.project)
    const filter = { kind: query.kind, project, repository }
    const wanted = { ...sortedPage(page, { deletedAt: 'number' } as const), column: 'deletedAt' } as const
    return { body: pageBody(await listTrash(parts.registry, visibility, { filter, page: wanted }), itemOf) }
  }),
  serve(routes.readTrash, async ({ parts, principal, params }) => {
    const details = await describeTrash(parts.registry, await requireTrash(parts, principal, 'trash:list', params.trash))
    return { body: { ...itemOf(details), neededBy: [...details.neededBy] } }
  }),
  serve(routes.restoreTrash, async ({ parts, principal, params, body, who }) => {
    const row = await requireTrash(parts, principal, 'trash:restore', params.trash)
    const wanted = { ...(await whereTo(parts, principal, row, body.name)), isForced: body.force }
    const { kind, project, repository, digest, ...restored } = await restoreTrash(parts.registry, wanted, who)
    const isPublic = (await parts.access.project(project))?.isPublic === true
    const [missing, lostLabels] = [[...restored.missing], [...restored.lostLabels]]
    const { manifests, tags, takenTags } = restored
    const counted = (kind === 'tag' || kind === 'manifest') && { manifests, tags: [...tags], takenTags: [...takenTags] }
    const named = { ...(repository !== undefined && { repository }), ...(digest !== undefined && { digest }) }
    return { body: { kind, project, ...named, isPublic, ...counted, missing, lostLabels } }
  }),
  serve(routes.deleteTrash, async ({ parts, principal, params, who }) => {
    await purgeTrash(parts.registry, await requireTrash(parts, principal, 'trash:delete', params.trash), who)
  }),
]

/** By its present name or the one that it had; `none`: no name of a repository. */
async function presentName({ access }: HttpParts, text: string): Promise<RepositoryName | 'none'> {
  const name = parseRepositoryName(text)
  return name === undefined ? 'none' : (await access.locate(name)).repository
}

/** Projects that are there and projects of the trash may have had the same name. */
async function wantedProject({ access }: HttpParts, name: string): Promise<{ readonly id: number | undefined; readonly name: string }> {
  const project = parseRepositoryName(name) === undefined ? undefined : await access.project(name)
  return { id: project?.id, name }
}
