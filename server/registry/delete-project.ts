/**
 * Deleting a project with everything in it: into the trash in one commit. Where there is none, repositories go one after the other, projects below it
 * first; what is interrupted goes on when asked again.
 */
import type { Who } from '#events/event.ts'
import { findProjectById, projectsBelow, repositoriesOfProject } from '#metadata/projects.ts'
import { firstRepositoryName } from '#metadata/repositories.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { deleteProject } from '#projects/delete-project.ts'
import { scanForImmutable } from '#projects/immutable-content.ts'
import { actorFrom } from './actor.ts'
import { deleteRepository } from './delete-repository.ts'
import type { Actor, Registry } from './registry.ts'
import { requireDeletes } from './require.ts'
import { trashUntil } from './trash-place.ts'

/** Which project, in the version that the caller saw. */
export interface ProjectToDelete {
  readonly id: number
  readonly name: string
  readonly isDefault: boolean
  readonly expectedVersion: number | undefined
}

const batch = 100
/** A project in which somebody makes repositories as fast as they are deleted is not deleted. */
const roundsMax = 3

/** Throws CONFLICT for the default project, and where pushes go on meanwhile; TAG_IMMUTABLE when a rule keeps a tag in it, UNSUPPORTED where deletes are switched off. */
export async function deleteProjectWithContent(registry: Registry, project: ProjectToDelete, who: Who): Promise<void> {
  requireDeletes(registry)
  const { metadata, context } = registry
  const parts = { metadata, ports: context.ports }
  const { id: projectId, expectedVersion } = project
  const found = await findProjectById(metadata.reader, projectId)
  if (found === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  if (expectedVersion !== undefined && found.version !== expectedVersion) throw new RegistryError('PRECONDITION_FAILED')
  // Before anything goes: half a project is worse than either.
  const scan = project.isDefault ? undefined : await scanForImmutable(metadata.reader, { kind: 'project', name: found.name, id: projectId })
  const until = trashUntil(registry, context.ports.clock.now())
  if (until !== undefined) {
    await deleteProject(parts, { projectId, expectedVersion, trashUntil: until, withContent: true, scan }, who)
    return
  }
  if (!project.isDefault) {
    for (const below of await allBelow(registry, project.name)) {
      await emptyProject(registry, below.id, who)
      await deleteProject(parts, { projectId: below.id, expectedVersion: undefined, trashUntil: undefined }, who)
    }
    await emptyProject(registry, projectId, who)
  }
  await deleteProject(parts, { projectId, expectedVersion, trashUntil: undefined }, who)
}

/** Deepest first: what lies below a name sorts after it. */
async function allBelow({ metadata: { reader } }: Registry, name: string) {
  const found = await projectsBelow(reader, name, 10_000)
  return found.toSorted((one, other) => (one.name < other.name ? 1 : -1))
}

async function emptyProject(registry: Registry, projectId: number, who: Who): Promise<void> {
  const actor = actorFrom(who)
  for (let round = 0; round < roundsMax; round++) {
    let from = firstRepositoryName
    for (;;) {
      const names = await repositoriesOfProject(registry.metadata.reader, projectId, { from, limit: batch })
      for (const name of names) await deleteIfThere(registry, name as RepositoryName, actor)
      const last = names.at(-1)
      if (last === undefined || names.length < batch) break
      from = last
    }
  }
}

async function deleteIfThere(registry: Registry, name: RepositoryName, actor: Actor): Promise<void> {
  try {
    await deleteRepository(registry, name, actor)
  } catch (error) {
    // Somebody else was first.
    if (!(error instanceof RegistryError && error.code === 'NAME_UNKNOWN')) throw error
  }
}
