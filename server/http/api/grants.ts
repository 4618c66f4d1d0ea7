/** Grants: access/grants.ts over HTTP. Below a project a verb is told which, and so finds grants of that project alone. */
import type { Place } from '#access/access.ts'
import { findCandidates } from '#access/candidates.ts'
import type { ProjectFacts } from '#access/decide.ts'
import { effectivePermissions, type EffectivePlace, type EffectiveSubject } from '#access/effective-permissions.ts'
import { listGrantsThere } from '#access/grants-there.ts'
import * as grants from '#access/grants.ts'
import type { Principal } from '#access/principal.ts'
import { readRole } from '#access/roles.ts'
import type { ResponseOf } from '#api/contract.ts'
import { allPermissions, levelOf, type Permission } from '#api/permissions.ts'
import * as contract from '#api/routes/grants.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseRepositoryName } from '#oci/reference.ts'
import type { HttpParts } from '#http/exchange.ts'
import { actingOf } from './acting-of.ts'
import { instantOf, instantOrNull, pageBody } from './page-body.ts'
import { givingOf } from './require-elevation-to-give.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'
import { warningsMember } from './warnings.ts'

type Grant = Awaited<ReturnType<typeof grants.readGrant>>
const candidatesUsual = 20

const sorts = { createdAt: 'number' } as const

/** As it is at that moment. */
function present(grant: Grant, now: number): ResponseOf<typeof contract.readGrant> {
  const { id, subject, subjectName, subjectProvider: provider, role, project, repositories, createdBy, version } = grant
  const { kind } = subject
  return {
    id,
    subject: subject.id === undefined ? { kind } : { kind, id: subject.id, name: subjectName, ...(provider !== null && { provider }) },
    role,
    project,
    repositories,
    expiresAt: instantOrNull(grant.expiresAt),
    createdBy,
    createdAt: instantOf(grant.createdAt),
    version,
    isExpired: grant.expiresAt !== null && grant.expiresAt <= now,
  }
}

const nowOf = ({ ports }: HttpParts) => ports.clock.now()

/** The schema has made sure of the form. */
function endOf(text: string | null): number | null {
  return text === null ? null : Date.parse(text)
}

function newGrant(
  body: Omit<grants.NewGrant, 'project' | 'expiresAt' | 'repositories'> & { expiresAt?: string | null; repositories?: string | null },
) {
  const { subject, role, repositories = null, expiresAt = null } = body
  return { subject, role, repositories, expiresAt: endOf(expiresAt) }
}

function changesOf({ role, repositories, expiresAt }: { role?: string; repositories?: string | null; expiresAt?: string | null }) {
  return { role, repositories, expiresAt: expiresAt === undefined ? undefined : endOf(expiresAt) }
}

async function made(parts: HttpParts, grant: Grant, location: string) {
  const body = { ...present(grant, nowOf(parts)), ...warningsMember(await openToPushes(parts, grant)) }
  return { body, version: grant.version, location }
}

/** What may well be meant, but seldom is. */
async function openToPushes({ directory }: HttpParts, { subject, role }: Grant): Promise<string | undefined> {
  if (subject.kind !== 'everyone') return undefined
  const { permissions } = await readRole(directory, role)
  if (!permissions.includes('repository:push')) return undefined
  return `whoever reaches this registry may push there now, without an account: the role ${role} holds repository:push`
}

type Filter = Parameters<typeof grants.listGrants>[1]

/** Who is nobody has no grants. */
async function filterOf(
  { directory }: HttpParts,
  query: { subject?: Grant['subject']['kind']; user?: string; group?: string; robot?: string; role?: string },
): Promise<Filter> {
  const { subject: subjectKind, role } = query
  const [userId, groupId, robotId] = await Promise.all(
    (['user', 'group', 'robot'] as const).map(async (kind) => {
      const wanted = query[kind]
      return wanted === undefined ? undefined : ((await grants.subjectId(directory, kind, wanted)) ?? nobodysId)
    }),
  )
  return { subjectKind, userId, groupId, robotId, role }
}

const nobodysId = -1

/** The grant with the project that it is in, for a caller who asked in none. */
async function anywhere(parts: HttpParts, id: number): Promise<grants.GrantAddress> {
  const { project } = await grants.readGrant(parts.directory, { id, project: undefined })
  return { id, project: project === null ? undefined : await parts.access.project(project) }
}

async function projectNamed(parts: HttpParts, name: string | null | undefined) {
  if (name === null || name === undefined) return undefined
  const project = await parts.access.project(name)
  if (project !== undefined) return project
  throw wrong('body/project', `there is no project ${name}`)
}

function subjectOf({ user, robot }: { readonly user?: string; readonly robot?: string }): EffectiveSubject {
  if (user !== undefined && robot === undefined) return { kind: 'user', name: user }
  if (robot !== undefined && user === undefined) return { kind: 'robot', name: robot }
  throw wrong('query/user', 'say whom it is about: user or robot, one of them')
}

/**
 * The repository by its present name, with the nearest project that it is in. Names that begin otherwise than the project's are told apart by the name alone,
 * so that nothing is learnt of projects elsewhere.
 */
async function placeOf({ access }: HttpParts, project: ProjectFacts, text: string | undefined): Promise<EffectivePlace> {
  if (text === undefined) return { project }
  const name = parseRepositoryName(text)
  if (name === undefined) throw wrong('query/repository', 'this is no name of a repository')
  const located = await access.locate(name)
  if (located.project.lineage.includes(project.id)) return located
  if (project.isDefault || name.startsWith(`${project.name}/`)) return { project, repository: name }
  throw wrong('query/repository', `names of repositories in this project begin with ${project.name}/`)
}

function wrong(path: string, message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', [{ path, message }], { message })
}

const systemRoutes: readonly ServedRoute[] = [
  serve(contract.listGrants, async ({ parts, query, page }) => {
    // -1 is no project's id: of a project that is not there, there are no grants.
    const projectId = query.project === undefined ? undefined : ((await parts.access.project(query.project))?.id ?? -1)
    const found = await grants.listGrants(parts.directory, { ...(await filterOf(parts, query)), projectId }, sortedPage(page, sorts))
    const now = nowOf(parts)
    return { body: pageBody(found, (grant) => present(grant, now)) }
  }),
  serve(contract.createGrant, async (call) => {
    const project = await projectNamed(call.parts, call.body.project)
    const grant = await grants.createGrant(call.parts.directory, { ...newGrant(call.body), project }, await givingOf(call))
    return await made(call.parts, grant, `/grants/${grant.id}`)
  }),
  serve(contract.readGrant, async ({ parts, params }) => {
    const grant = await grants.readGrant(parts.directory, { id: params.grant, project: undefined })
    return { body: present(grant, nowOf(parts)), version: grant.version }
  }),
  serve(contract.updateGrant, async (call) => {
    const address = await anywhere(call.parts, call.params.grant)
    const update = { ...address, expectedVersion: call.ifMatch, set: changesOf(call.body) }
    const grant = await grants.updateGrant(call.parts.directory, update, await givingOf(call))
    return { body: present(grant, nowOf(call.parts)), version: grant.version }
  }),
  serve(contract.deleteGrant, async (call) => {
    const address = { id: call.params.grant, project: undefined, expectedVersion: call.ifMatch }
    await grants.deleteGrant(call.parts.directory, address, actingOf(call))
  }),
]

const projectRoutes: readonly ServedRoute[] = [
  serve(contract.listProjectGrants, async ({ parts, project, query, page }) => {
    const now = nowOf(parts)
    if (query.inherited === true) {
      const found = await listGrantsThere(parts.directory, { project, filter: await filterOf(parts, query) }, sortedPage(page, sorts))
      return { body: pageBody(found, ({ origin, ...grant }) => ({ ...present(grant, now), origin })) }
    }
    const found = await grants.listGrants(
      parts.directory,
      { ...(await filterOf(parts, query)), projectId: project.id },
      sortedPage(page, sorts),
    )
    return { body: pageBody(found, (grant) => ({ ...present(grant, now), origin: 'project' as const })) }
  }),
  serve(contract.createProjectGrant, async (call) => {
    const { parts, project, body } = call
    const grant = await grants.createGrant(parts.directory, { ...newGrant(body), project }, await givingOf(call))
    return await made(call.parts, grant, `/projects/${encodeURIComponent(project.name)}/grants/${grant.id}`)
  }),
  serve(contract.readProjectGrant, async ({ parts, project, params }) => {
    const grant = await grants.readGrant(parts.directory, { id: params.grant, project })
    return { body: present(grant, nowOf(parts)), version: grant.version }
  }),
  serve(contract.updateProjectGrant, async (call) => {
    const update = { id: call.params.grant, project: call.project, expectedVersion: call.ifMatch, set: changesOf(call.body) }
    const grant = await grants.updateGrant(call.parts.directory, update, await givingOf(call))
    return { body: present(grant, nowOf(call.parts)), version: grant.version }
  }),
  serve(contract.deleteProjectGrant, async (call) => {
    const address = { id: call.params.grant, project: call.project, expectedVersion: call.ifMatch }
    await grants.deleteGrant(call.parts.directory, address, actingOf(call))
  }),
  serve(contract.listCandidates, async ({ parts, query: { name, limit = candidatesUsual } }) => ({
    body: { items: [...(await findCandidates(parts.directory, { namePrefix: name, limit }))] },
  })),
  serve(contract.readPermissionsThere, async ({ parts, project, query }) => {
    const place = await placeOf(parts, project, query.repository)
    const { subject, permissions, repositories } = await effectivePermissions(parts.directory, place, subjectOf(query))
    const byGlob = repositories.map((some) => ({
      ...some,
      permissions: [...some.permissions],
      expiresAt: instantOrNull(some.expiresAt ?? null),
    }))
    const { kind, id, name, isAdministrator, isDisabled } = subject
    const who = kind === 'user' ? { user: { id, name, isAdministrator, isDisabled } } : { robot: { id, name, isDisabled } }
    return { body: { ...who, permissions: [...permissions], repositories: byGlob } }
  }),
  serve(contract.readOwnPermissions, async ({ parts, principal, project }) => ({
    body: { permissions: await heldBy(parts, principal, { project: project.name }) },
  })),
  serve(contract.readOwnRepositoryPermissions, async ({ parts, principal, repository }) => ({
    body: { permissions: await heldBy(parts, principal, { repository }) },
  })),
]

/** Those that are asked for at such a place, in the order of the table. */
async function heldBy({ access }: HttpParts, principal: Principal, place: Exclude<Place, 'system'>): Promise<Permission[]> {
  const held: Permission[] = []
  for (const permission of allPermissions) {
    const level = levelOf(permission)
    const isAskedHere = level === 'repository' || (level === 'project' && 'project' in place)
    if (isAskedHere && (await access.may(principal, permission, place))) held.push(permission)
  }
  return held
}

/** Served by the app. */
export const grantRoutes: readonly ServedRoute[] = [...systemRoutes, ...projectRoutes]
