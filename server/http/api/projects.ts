/** Serves api/routes/projects.ts. */
import { isDeepStrictEqual } from 'node:util'
import { decide } from '#access/decide.ts'
import { requireElevation } from '#access/elevation.ts'
import type { Principal } from '#access/principal.ts'
import * as routes from '#api/routes/projects.ts'
import type { HttpParts } from '#http/exchange.ts'
import { visibleHere } from '#http/gate.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseRepositoryName, type RepositoryName } from '#oci/reference.ts'
import { createProject, invalidProjectName, projectsEnclosed, type ProjectOwner } from '#projects/create-project.ts'
import { readCreationRules } from '#projects/creation-rules.ts'
import { deleteProject } from '#projects/delete-project.ts'
import { listProjects } from '#projects/list-projects.ts'
import { idsAbove, nameNotFree, readNameClaim, readParent, type Taking } from '#projects/name-claim.ts'
import { parseProjectName } from '#projects/project-name.ts'
import { readProject, type ProjectDetails } from '#projects/read-project.ts'
import { coverageOf, describeLostRules } from '#projects/lost-rules.ts'
import { projectsLost, renameProject } from '#projects/rename-project.ts'
import { updateProject } from '#projects/update-project.ts'
import { deleteProjectWithContent } from '#registry/delete-project.ts'
import { moveRepository, placeForRepository } from '#registry/move-repository.ts'
import { trashUntil } from '#registry/trash-place.ts'
import { instantOf, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'
import { staysWithoutDeletes, warningsMember } from './warnings.ts'

const sortValues = { name: 'text', createdAt: 'number', updatedAt: 'number' } as const

type Row = Omit<ProjectDetails, 'repositoryCount' | 'formerNames'>

function summaryOf({ id, name, description, isPublic, isDefault, createdBy, createdAt, updatedAt, version, untaggedAfterDays }: Row) {
  return {
    id,
    name,
    description,
    isPublic,
    isDefault,
    createdBy,
    createdAt: knownInstant(createdAt),
    updatedAt: knownInstant(updatedAt || createdAt),
    version,
    untaggedAfterDays,
  }
}

/** The default project's row is made with the tables, which know no time. */
function knownInstant(ms: number): string | null {
  return ms === 0 ? null : instantOf(ms)
}

/** The answer of all routes that are about one project. */
async function answerWith(parts: HttpParts, id: number) {
  const project = await readProject(parts.directory, id)
  const { repositoryCount, formerNames, version } = project
  const stays = project.untaggedAfterDays === null ? undefined : staysWithoutDeletes(parts, 'manifests without a tag stay')
  return { body: { ...summaryOf(project), formerNames: [...formerNames], repositoryCount, ...warningsMember(stays) }, version }
}

function withWarnings(answer: Awaited<ReturnType<typeof answerWith>>, ...sentences: readonly (string | undefined)[]) {
  const { body, ...rest } = answer
  return { body: { ...body, ...warningsMember(...(body.warnings ?? []), ...sentences) }, ...rest }
}

const toldNames = 20

/** A sentence where others found something by a name that is the project's from now on. */
function endedSentence(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined
  const more = names.length > toldNames ? ` and ${names.length - toldNames} more` : ''
  return `former names led elsewhere from there, and end: ${names.slice(0, toldNames).join(', ')}${more}`
}

/** Who can have a grant: accounts with a row. */
export function ownerOfPrincipal({ kind, id }: Principal): ProjectOwner | undefined {
  return (kind === 'user' || kind === 'robot') && id !== undefined ? { kind, id } : undefined
}

/**
 * Throws DENIED unless the caller may make a project of that name: by `project:create` on the project above it, or on everything where there is none
 * above; at the top also by being signed in as a person, where the settings allow that.
 */
export async function requireCreation({ access, directory, ports }: HttpParts, principal: Principal, name: string): Promise<void> {
  const parent = await readParent(directory, name)
  if (parent.isAbove) {
    if (await access.may(principal, 'project:create', { project: parent.name })) return
  } else {
    if (await access.may(principal, 'project:create', 'system')) return
    const { projectCreation } = await readCreationRules(directory)
    const { limits } = principal.rights
    // What a narrow token allows at most binds here, too.
    const isWithinLimits = decide({ isAdministrator: true, rights: [], limits }, 'project:create', { kind: 'system' }, ports.clock.now())
    if (projectCreation === 'everyone' && principal.kind === 'user' && isWithinLimits) return
  }
  throw new RegistryError('DENIED', undefined, { message: 'making a project of this name takes the permission project:create' })
}

/**
 * What the name takes from projects that answer there now, if the caller may do to each what that takes. Else throws CONFLICT. Whoever takes repositories along
 * administers them from then on: that takes the right to delete the project that they are in.
 */
async function requireName(
  { access, directory }: HttpParts,
  principal: Principal,
  name: string,
  from?: string,
): Promise<readonly Taking[]> {
  const { isTaken, takings } = await readNameClaim(directory, name, from === undefined ? undefined : { from })
  if (isTaken) throw nameNotFree()
  for (const { permission, project } of takings) if (!(await access.may(principal, permission, { project }))) throw nameNotFree()
  return takings.map(({ projectId, permission }) => ({ projectId, permission }))
}

/** For a project that others may administer: whoever gets a former name gets the clients that it leads, which takes the proof of the person. */
export async function requireProvedName(parts: HttpParts, principal: Principal, name: string, from?: string): Promise<readonly Taking[]> {
  const takings = await requireName(parts, principal, name, from)
  if (takings.length > 0) await requireElevation(parts.directory, principal, 'project:delete')
  return takings
}

/** The projects below the name, if the caller administers each. Else throws CONFLICT: whoever makes a project administers what is below it. */
async function requireEnclosing({ access, directory }: HttpParts, principal: Principal, name: string): Promise<readonly number[]> {
  const enclosed = await projectsEnclosed(directory, name)
  for (const project of enclosed) if (!(await access.may(principal, 'project:delete', { project: project.name }))) throw nameNotFree()
  return enclosed.map(({ id }) => id)
}

/**
 * Below another project, that one's administrators may delete what comes there: bringing a project there takes what deleting it takes, the right and the
 * proof of the person.
 */
async function requireProvedParent(
  { access, directory }: HttpParts,
  principal: Principal,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  const [before, after] = [await readParent(directory, from), await readParent(directory, to)]
  if (!after.isAbove || after.name === before.name) return
  if (!(await access.may(principal, 'project:delete', { project: from }))) {
    const message = 'a project gets below another one only by who may delete it: this takes the permission project:delete'
    throw new RegistryError('DENIED', undefined, { message })
  }
  await requireElevation(directory, principal, 'project:delete')
}

/** The same for a repository that comes into another project. */
async function requireProvedMove(
  { access, directory }: HttpParts,
  principal: Principal,
  { repository, projectId }: { readonly repository: RepositoryName; readonly projectId: number },
): Promise<void> {
  if ((await access.locate(repository)).project.id === projectId) return
  if (!(await access.may(principal, 'repository:delete', { repository }))) {
    const message = 'moving a repository into another project takes the permission repository:delete'
    throw new RegistryError('DENIED', undefined, { message })
  }
  await requireElevation(directory, principal, 'repository:move')
}

/** The projects that it goes away from under, all of which the caller may change. Else throws DENIED. */
async function requireLeaving(
  { access, directory }: HttpParts,
  principal: Principal,
  change: { readonly from: string; readonly to: string },
): Promise<readonly number[]> {
  const lost = await projectsLost(directory, change)
  for (const { name } of lost) {
    if (await access.may(principal, 'project:update', { project: name })) continue
    const message = 'renaming a project away from under the one above it takes the permission project:update there'
    throw new RegistryError('DENIED', undefined, { message })
  }
  return lost.map(({ id }) => id)
}

/** Throws REQUEST_INVALID. */
export function requireProjectName(name: string): void {
  if (parseProjectName(name) === undefined) throw invalidProjectName()
}

/** Where the repository will be, by its present name, if the caller may make repositories there. Whatever is there, the refusal is the same. */
export async function requirePlace(
  { access, registry }: HttpParts,
  principal: Principal,
  to: RepositoryName,
): ReturnType<typeof placeForRepository> {
  const place = await placeForRepository(registry, to)
  const located = await access.locate(place.repository)
  // A former name of a repository leads elsewhere, but it is here that the repository will be.
  const isHere = located.repository === place.repository
  const where = isHere ? { repository: place.repository } : { project: place.project.name }
  // The project that the right was looked for in: the move is refused if it is not the one that owns the name by then.
  if (await access.may(principal, 'repository:create', where)) return { ...place, project: isHere ? located.project : place.project }
  throw new RegistryError('DENIED', undefined, { message: 'moving a repository there takes the permission repository:create' })
}

const triesMax = 5

/**
 * Takes a name by what the caller may take with it. Repositories that are pushed below the name between the look and the transaction make that refuse: then
 * it is looked again, as long as there is something else to see.
 */
async function whileNameFills<Allowed, T>(allowed: () => Promise<Allowed>, take: (may: Allowed) => Promise<T>): Promise<T> {
  let may = await allowed()
  for (let tries = 1; ; tries++) {
    try {
      return await take(may)
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'CONFLICT' || tries >= triesMax) throw error
      const next = await allowed()
      if (isDeepStrictEqual(next, may)) throw error
      may = next
    }
  }
}

/** Projects, and moving repositories between them. */
export const projectRoutes: readonly ServedRoute[] = [
  serve(routes.listProjects, async ({ parts, exchange, principal, query, page }) => {
    const visibility = await visibleHere(exchange, principal, 'project:list')
    const member = query.mine === true ? ownerOfPrincipal(principal) : undefined
    if (query.mine === true && member === undefined) return { body: { items: [] } }
    const filter = { namePrefix: query.name, isPublic: query.public, member }
    const found = await listProjects(parts.directory, visibility, { filter, page: sortedPage(page, sortValues) })
    return { body: pageBody(found, summaryOf) }
  }),
  serve(routes.createProject, async ({ parts, principal, who, body }) => {
    requireProjectName(body.name)
    await requireCreation(parts, principal, body.name)
    const allowed = async () => ({
      mayTake: await requireName(parts, principal, body.name),
      mayEnclose: await requireEnclosing(parts, principal, body.name),
    })
    const { id, name, endedNames } = await whileNameFills(allowed, (may) =>
      createProject(parts.directory, { ...body, owner: ownerOfPrincipal(principal), ...may }, who),
    )
    return { ...withWarnings(await answerWith(parts, id), endedSentence(endedNames)), location: `/projects/${encodeURIComponent(name)}` }
  }),
  serve(routes.readProject, async ({ parts, project }) => await answerWith(parts, project.id)),
  serve(routes.updateProject, async ({ parts, project, body, ifMatch, who }) => {
    await updateProject(parts.directory, { projectId: project.id, changes: body, expectedVersion: ifMatch }, who)
    return await answerWith(parts, project.id)
  }),
  serve(routes.renameProject, async ({ parts, principal, project, body, ifMatch, who }) => {
    requireProjectName(body.name)
    if (body.name !== project.name) await requireCreation(parts, principal, body.name)
    const allowed = () => (body.name === project.name ? undefined : requireProvedName(parts, principal, body.name, project.name))
    await allowed()
    const mayLeave = await requireLeaving(parts, principal, { from: project.name, to: body.name })
    const mayEnter = await idsAbove(parts.directory, body.name)
    await requireProvedParent(parts, principal, { from: project.name, to: body.name })
    const change = { projectId: project.id, name: body.name, expectedVersion: ifMatch, mayLeave, mayEnter }
    const { reader } = parts.directory.metadata
    const covered = await coverageOf(reader, { below: project.name })
    const { endedNames } = await whileNameFills(
      async () => ({ mayTake: await allowed() }),
      (may) => renameProject(parts.directory, { ...change, ...may }, who),
    )
    return withWarnings(await answerWith(parts, project.id), await describeLostRules(reader, covered), endedSentence(endedNames))
  }),
  serve(routes.deleteProject, async ({ parts, principal, project, query, ifMatch, who }) => {
    if (query.force !== true) {
      const until = trashUntil(parts.registry, parts.ports.clock.now())
      await deleteProject(parts.directory, { projectId: project.id, expectedVersion: ifMatch, trashUntil: until }, who)
      return
    }
    if (!(await parts.access.may(principal, 'repository:delete', { project: project.name }))) {
      throw new RegistryError('DENIED', undefined, { message: 'deleting its repositories takes the permission repository:delete' })
    }
    await deleteProjectWithContent(parts.registry, { ...project, expectedVersion: ifMatch }, who)
  }),
  serve(routes.moveRepository, async ({ parts, principal, repository, body, who }) => {
    const to = parseRepositoryName(body.to)
    if (to === undefined) throw new RegistryError('REQUEST_INVALID', { path: 'to' }, { message: 'to is no name of a repository' })
    const place = await requirePlace(parts, principal, to)
    await requireProvedMove(parts, principal, { repository, projectId: place.project.id })
    const move = { from: repository, to: place.repository, projectId: place.project.id, leavesRedirect: body.redirect !== false }
    const { reader } = parts.directory.metadata
    const covered = await coverageOf(reader, { repository })
    await moveRepository(parts.registry, move, who)
    const lost = await describeLostRules(reader, covered)
    return { body: { repository: place.repository, project: place.project.name, ...warningsMember(lost) } }
  }),
]
