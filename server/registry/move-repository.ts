/**
 * Moving a repository: another name, in the same project or in another, in one commit. Nothing in it is touched, uploads in flight go on, and the former
 * name leads to the new one, unless the caller wants it free.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { deleteForeignLabels } from '#metadata/labels.ts'
import { deleteRedirect, putRedirect, resolveRepositoryPlace, retargetRedirects } from '#metadata/name-redirects.ts'
import { placeRepository } from '#metadata/projects.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { outdatePoliciesOver } from '#metadata/retention-keepers.ts'
import { moveUsage, without } from '#metadata/usage-moves.ts'
import { placeOfRepository } from '#metadata/usage-place.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { ownerOf } from '#projects/find-project.ts'
import { reviewUntagged } from '#projects/review-untagged.ts'
import type { Registry } from './registry.ts'
import { requireWritable } from './require.ts'

/** From where to where. */
export interface RepositoryMove {
  readonly from: RepositoryName
  /** Of {@link placeForRepository}. */
  readonly to: RepositoryName
  /** The project that owns the new name: that the caller may make repositories there is checked. */
  readonly projectId: number
  /** Whether the former name leads to the new one from now on. */
  readonly leavesRedirect: boolean
}

interface Move extends RepositoryMove {
  readonly who: Who
  readonly now: number
}

const move = accessTransaction(import.meta.url, 'move-repository/move', async (tx, input: Move): Promise<void> => {
  const { from, to, now, who } = input
  const repositoryId = await repositoryIdIn(tx, from)
  if (repositoryId === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  if (from === to) return
  const [owner, before] = [await ownerOf(tx, to), await ownerOf(tx, from)]
  // A project was made or renamed since the caller's right was checked.
  if (owner.id !== input.projectId || (await resolveRepositoryPlace(tx, to)) !== to) throw notFree()
  const { projects: countedIn } = await placeOfRepository(tx, repositoryId)
  if ((await placeRepository(tx, repositoryId, { name: to, projectId: owner.id, at: now })) === 'taken') throw notFree()
  const { projects: countsIn } = await placeOfRepository(tx, repositoryId)
  await moveUsage(tx, { repositoryIds: [repositoryId], lost: without(countedIn, countsIn), gained: without(countsIn, countedIn) })
  // What kept its tags may not be above its name any more, and nobody was shown what policies over this name do to it.
  await outdatePoliciesOver(tx, { repository: to, projectId: owner.id })
  await retargetRedirects(tx, 'repository', { from, to })
  await deleteRedirect(tx, 'repository', to)
  if (input.leavesRedirect) await putRedirect(tx, { kind: 'repository', oldName: from, name: to, now })
  if (owner.id !== before.id) {
    await deleteForeignLabels(tx, { repositoryId })
    await reviewUntagged(tx, owner.id, now)
  }
  await recordEvent(tx, { action: 'repository.moved', repository: to, detail: { from }, at: now, ...who })
})

function notFree(): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message: 'there is a repository of this name already: choose another' })
}

/** Where a repository of that name would lie: former names of projects are followed, those of repositories are free to be taken again. */
export async function placeForRepository(
  { metadata: { reader } }: Pick<Registry, 'metadata'>,
  name: RepositoryName,
): Promise<{ readonly repository: RepositoryName; readonly project: { readonly id: number; readonly name: string } }> {
  const repository = await resolveRepositoryPlace(reader, name)
  return { repository, project: await ownerOf(reader, repository) }
}

/** Throws RESOURCE_UNKNOWN, CONFLICT when the name is not free, or DENIED when it does not fit the quota of the project that it comes to. */
export async function moveRepository(registry: Registry, { from, to, projectId, leavesRedirect }: RepositoryMove, who: Who): Promise<void> {
  requireWritable(registry)
  await registry.metadata.write(move, { from, to, projectId, leavesRedirect, who, now: registry.context.ports.clock.now() })
}
