/**
 * Who may call a route: the demand of its contract, enforced in one place before any handler runs.
 *
 * What the caller may not see answers as if it did not exist: RESOURCE_UNKNOWN, whether it is there or not. Who sees it but may not do this gets DENIED
 * with the permission that the route asks for, as its documentation says; who has shown no credential gets UNAUTHORIZED in both cases.
 */
import type { ProjectFacts } from '#access/decide.ts'
import type { Principal } from '#access/principal.ts'
import type { Demand } from '#api/contract.ts'
import type { Permission } from '#api/permissions.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseRepositoryName, type RepositoryName } from '#oci/reference.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import type { Exchange, HttpParts } from '#http/exchange.ts'

/** What the demand was about. */
export interface Guarded {
  readonly project: ProjectFacts | undefined
  readonly repository: RepositoryName | undefined
}

const nothing: Guarded = { project: undefined, repository: undefined }

/** Throws UNAUTHORIZED, DENIED or RESOURCE_UNKNOWN. Keeps what it was about for the record of a refusal. */
export async function guard(
  { site, notes }: Exchange,
  principal: Principal,
  demand: Demand,
  params: Readonly<Record<string, unknown>>,
): Promise<Guarded> {
  const { access } = site.parts
  if ('who' in demand) {
    if (demand.who === 'signed-in' && principal.isAnonymous) throw new RegistryError('UNAUTHORIZED')
    return nothing
  }
  switch (demand.on) {
    case 'system':
      if (!(await access.may(principal, demand.permission, 'system'))) throw refusal(principal, demand.permission)
      return nothing
    case 'project':
      return await guardProject({ access, notes }, principal, { permission: demand.permission, name: String(params['project']) })
    case 'repository':
      return await guardRepository({ access, notes }, principal, { permission: demand.permission, name: String(params['repository']) })
  }
}

interface Wanted {
  readonly permission: Permission
  readonly name: string
}

interface Surroundings {
  readonly access: HttpParts['access']
  readonly notes: Exchange['notes']
}

async function guardProject({ access, notes }: Surroundings, principal: Principal, { permission, name }: Wanted): Promise<Guarded> {
  const project = parseRepositoryName(name) === undefined ? undefined : await access.project(name)
  if (project === undefined) throw unknown(principal, 'project', name)
  const place = { project: project.name }
  notes.aim = { project: project.name, isHidden: false }
  if (await access.may(principal, permission, place)) return { project, repository: undefined }
  if (await access.may(principal, 'project:read', place)) throw refusal(principal, permission)
  notes.aim = { ...notes.aim, isHidden: true }
  throw unknown(principal, 'project', name)
}

async function guardRepository({ access, notes }: Surroundings, principal: Principal, { permission, name }: Wanted): Promise<Guarded> {
  const parsed = parseRepositoryName(name)
  if (parsed === undefined) throw unknown(principal, 'repository', name)
  const { repository, project } = await access.locate(parsed)
  notes.aim = { project: project.name, repository: parsed, isHidden: false }
  if (await access.may(principal, permission, { repository })) return { project, repository }
  if (await access.may(principal, 'repository:read', { repository })) throw refusal(principal, permission)
  notes.aim = { ...notes.aim, isHidden: true }
  throw unknown(principal, 'repository', name)
}

function refusal(principal: Principal, permission: Permission): RegistryError {
  return principal.isAnonymous ? new RegistryError('UNAUTHORIZED') : new RegistryError('DENIED', { permission })
}

/** By the name that was given: the present one of what was renamed is for those who see it. */
function unknown(principal: Principal, kind: 'project' | 'repository', name: string): RegistryError {
  return principal.isAnonymous ? new RegistryError('UNAUTHORIZED') : resourceUnknown(kind, name)
}
