/** Serves api/routes/trash.ts. */
import { requireElevation } from '#access/elevation.ts'
import type { Principal } from '#access/principal.ts'
import type { Permission } from '#api/permissions.ts'
import * as routes from '#api/routes/trash.ts'
import type { HttpParts } from '#http/exchange.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseRepositoryName, type RepositoryName } from '#oci/reference.ts'
import { idsAbove, readParent } from '#projects/name-claim.ts'
import { nameOfRestore } from '#projects/restore-project.ts'
import { listTrash } from '#registry/list-trash.ts'
import { placeForRepository } from '#registry/move-repository.ts'
import { purgeTrash } from '#registry/purge-trash.ts'
import { describeTrash, placeOfRestore, readTrash, restoreTrash, type TrashRestore } from '#registry/restore-trash.ts'
import { hiddenProjectName, trashUnknown } from '#registry/trash-words.ts'
import { pageBody } from './page-body.ts'
import { requireCreation, requirePlace, requireProjectName, requireProvedName } from './projects.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'
import { restoredBody, trashBody, trashDetailsBody } from './trash-bodies.ts'

type Trash = NonNullable<Awaited<ReturnType<typeof readTrash>>>

/**
 * By the project that it was in. A project that is itself in the trash: by the rights on it, which its members keep, or on the very one that was above it,
 * not on one that got such a name since.
 */
async function mayDo({ access }: HttpParts, principal: Principal, permission: Permission, row: Trash): Promise<boolean> {
  if (row.kind !== 'project') return await access.may(principal, permission, { project: row.project })
  if (await access.may(principal, permission, { project: hiddenProjectName(row) })) return true
  return row.parent !== undefined && (await access.may(principal, permission, { project: row.parent.name }))
}

/** What the caller may not see of the trash is not there. Throws UNAUTHORIZED, RESOURCE_UNKNOWN or DENIED. */
async function requireTrash(parts: HttpParts, principal: Principal, permission: Permission, id: number): Promise<Trash> {
  const row = await readTrash(parts.registry, id)
  if (row !== undefined && (await mayDo(parts, principal, permission, row))) return row
  if (principal.isAnonymous) throw new RegistryError('UNAUTHORIZED')
  if (row === undefined || !(await mayDo(parts, principal, 'trash:list', row))) throw trashUnknown(id)
  throw new RegistryError('DENIED', undefined, { message: `this takes the permission ${permission}` })
}

/** In another project than before others may destroy it: that takes what purging it takes, the right and the proof of the person. */
async function requireProvedElsewhere(parts: HttpParts, principal: Principal, row: Trash): Promise<void> {
  if (!(await mayDo(parts, principal, 'trash:delete', row))) {
    const message = 'restoring it into another project takes the permission trash:delete'
    throw new RegistryError('DENIED', undefined, { message })
  }
  await requireElevation(parts.directory, principal, 'trash:delete')
}

/** Another name than its own: as whoever makes a project of that name, and takes what leads on from there. */
async function requireOther(parts: HttpParts, principal: Principal, name: string): Promise<TrashRestore['mayTake']> {
  requireProjectName(name)
  await requireCreation(parts, principal, name)
  return await requireProvedName(parts, principal, name)
}

/** Below another project than it was, under its own name too where somebody has a project above that by now: as elsewhere. */
async function whereProjectTo(parts: HttpParts, principal: Principal, row: Trash, name: string | undefined): Promise<TrashRestore> {
  const { directory } = parts
  const own = await nameOfRestore(directory, row, name !== undefined)
  const target = name ?? own
  const mayTake = target === own ? undefined : await requireOther(parts, principal, target)
  const mayEnter = await idsAbove(directory, target)
  const parent = await readParent(directory, target)
  if (parent.isAbove && parent.id !== row.parent?.id) await requireProvedElsewhere(parts, principal, row)
  return { row, name, mayEnter, mayTake }
}

/** Where it comes back: judged by who may make a repository or a project there, unless it is where it was. */
async function whereTo(parts: HttpParts, principal: Principal, row: Trash, name: string | undefined): Promise<TrashRestore> {
  if (row.kind === 'project') return await whereProjectTo(parts, principal, row, name)
  if (row.kind !== 'repository') {
    if (name === undefined) return { row }
    throw new RegistryError('REQUEST_INVALID', { path: 'name' }, { message: 'only a repository or a project can get another name' })
  }
  const wanted = name === undefined ? undefined : parseRepositoryName(name)
  if (name !== undefined && wanted === undefined)
    throw new RegistryError('REQUEST_INVALID', { path: 'name' }, { message: 'name is no name of a repository' })
  const place = await placeOfRestore(parts.registry, row, wanted)
  const own = await placeForRepository(parts.registry, row.repository as RepositoryName)
  const isItsOwn = place.repository === own.repository && place.project.id === row.projectId
  const projectId = isItsOwn ? place.project.id : (await requirePlace(parts, principal, place.repository)).project.id
  if (projectId !== row.projectId) await requireProvedElsewhere(parts, principal, row)
  return { row, name, place: { to: place.repository, projectId } }
}

/** Where nobody can log in nobody sees the trash, and an empty list would say that it is empty. */
function requirePeople({ config }: HttpParts, principal: Principal): void {
  if (config.auth.kind === 'open' && principal.isAnonymous) throw new RegistryError('UNAUTHORIZED')
}

type Outcome = { readonly outcome: 'gone' } | { readonly outcome: 'refused'; readonly code: string; readonly reason: string }

/** Does it with each; what stands in the way of one keeps none of the others. */
export async function withEach<Done extends string>(
  ids: readonly number[],
  done: Done,
  act: (id: number) => Promise<void>,
): Promise<({ readonly trash: number } & (Outcome | { readonly outcome: Done }))[]> {
  const results: ({ readonly trash: number } & (Outcome | { readonly outcome: Done }))[] = []
  for (const trash of ids) {
    try {
      await act(trash)
      results.push({ trash, outcome: done })
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error
      const { code, message: reason } = error
      results.push(code === 'RESOURCE_UNKNOWN' ? { trash, outcome: 'gone' } : { trash, outcome: 'refused', code, reason })
    }
  }
  return results
}

/** Under its own name. Throws as a restore of it alone does. */
export async function restoreOne(
  parts: HttpParts,
  { principal, who }: { readonly principal: Principal; readonly who: Parameters<typeof restoreTrash>[2] },
  { id, isForced }: { readonly id: number; readonly isForced?: boolean | undefined },
): Promise<void> {
  const row = await requireTrash(parts, principal, 'trash:restore', id)
  await restoreTrash(parts.registry, { ...(await whereTo(parts, principal, row, undefined)), isForced }, who)
}

/** The trash. */
export const trashRoutes: readonly ServedRoute[] = [
  serve(routes.listTrash, async ({ parts, principal, query, page }) => {
    requirePeople(parts, principal)
    const visibility = await parts.access.visibility(principal, 'trash:list')
    const repository = query.repository === undefined ? undefined : await presentName(parts, query.repository)
    if (repository === 'none') return { body: { items: [] } }
    const project = query.project === undefined ? undefined : await wantedProject(parts, query.project)
    const filter = { kind: query.kind, project, repository, reason: query.reason, run: query.run }
    const wanted = { ...sortedPage(page, { deletedAt: 'number' } as const), column: 'deletedAt' } as const
    return { body: pageBody(await listTrash(parts.registry, visibility, { filter, page: wanted }), trashBody) }
  }),
  serve(routes.readTrash, async ({ parts, principal, params }) => {
    const row = await requireTrash(parts, principal, 'trash:list', params.trash)
    return { body: trashDetailsBody(await describeTrash(parts.registry, row)) }
  }),
  serve(routes.restoreTrash, async ({ parts, principal, params, body, who }) => {
    const row = await requireTrash(parts, principal, 'trash:restore', params.trash)
    const wanted = { ...(await whereTo(parts, principal, row, body.name)), isForced: body.force }
    const restored = await restoreTrash(parts.registry, wanted, who)
    return { body: restoredBody(restored, (await parts.access.project(restored.project))?.isPublic === true) }
  }),
  serve(routes.deleteTrash, async ({ parts, principal, params, who }) => {
    await purgeTrash(parts.registry, await requireTrash(parts, principal, 'trash:delete', params.trash), who)
  }),
  serve(routes.restoreTrashItems, async ({ parts, principal, body, who }) => {
    if (principal.isAnonymous) throw new RegistryError('UNAUTHORIZED')
    const results = await withEach(body.items, 'restored', (id) => restoreOne(parts, { principal, who }, { id, isForced: body.force }))
    return { body: { results } }
  }),
  serve(routes.deleteTrashItems, async ({ parts, principal, body, who }) => {
    if (principal.isAnonymous) throw new RegistryError('UNAUTHORIZED')
    const results = await withEach(body.items, 'deleted', async (id) =>
      purgeTrash(parts.registry, await requireTrash(parts, principal, 'trash:delete', id), who),
    )
    return { body: { results } }
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
