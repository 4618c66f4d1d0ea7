/** The project that a first push makes, where the settings allow that and the pusher may make projects. */
import { unbounded } from '#access/access.ts'
import type { Principal } from '#access/principal.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { autoCreateProject, projectToMake } from '#projects/auto-create.ts'
import { repositoryExists } from '#registry/find-repository.ts'
import type { Exchange } from './exchange.ts'
import { whoOf } from './requester.ts'

/** Whether the push made one: rights are to be asked for again. Only an account with a row can be given a project. */
export async function makeProjectForPush(exchange: Exchange, principal: Principal, repository: RepositoryName): Promise<boolean> {
  const { directory } = exchange.site.parts
  const project = await projectThatPushMakes(exchange, principal, repository)
  if (project === undefined) return false
  return await autoCreateProject(directory, { name: project.name, owner: project.owner }, whoOf(exchange, principal))
}

/** The project that a push of this principal would make; undefined when it would make none. Writes nothing. */
export async function projectThatPushMakes(
  exchange: Exchange,
  principal: Principal,
  repository: RepositoryName,
): Promise<{ readonly name: string; readonly owner: { readonly kind: 'user' | 'robot'; readonly id: number } } | undefined> {
  const { access, directory, registry } = exchange.site.parts
  const { kind, id } = principal
  if ((kind !== 'user' && kind !== 'robot') || id === undefined || !repository.includes('/')) return undefined
  if (await isReadOnly(exchange)) return undefined
  if (await repositoryExists(registry, repository)) return undefined
  const project = await projectToMake(directory, repository)
  if (project === undefined) return undefined
  // The right to make projects is the account's; the credential must at least carry the push.
  const isCarried = await access.may(withinLimits(principal), 'repository:push', { repository })
  const may = (project.byEveryone && kind === 'user') || (await access.may(unbounded(principal), 'project:create', 'system'))
  return isCarried && may ? { name: project.name, owner: { kind, id } } : undefined
}

async function isReadOnly({ site }: Exchange): Promise<boolean> {
  const { config, system } = site.parts
  return config.storage.readOnly || (await system.current()).settings.isReadOnly
}

/** Somebody who may all that the credential allows. */
function withinLimits(principal: Principal): Principal {
  return { ...principal, rights: { ...principal.rights, isAdministrator: true } }
}
