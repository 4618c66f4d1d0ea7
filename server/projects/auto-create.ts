/**
 * A project made by the first push below it, where the system's settings allow that (`autoCreateProjects`).
 *
 * The project is the first part of the repository's name. It is made only where nothing answers at that name: no project, no former name on it
 * or below it, no repository of the default project. Whoever pushes becomes its administrator.
 */
import type { Who } from '#events/event.ts'
import { isBelow } from '#metadata/name-prefixes.ts'
import { resolveRepositoryName } from '#metadata/name-redirects.ts'
import { projectsBelow } from '#metadata/projects.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { createProject, type ProjectOwner } from './create-project.ts'
import { readCreationRules } from './creation-rules.ts'
import { ownerOf } from './find-project.ts'
import { claimOf } from './name-claim.ts'
import { parseProjectName } from './project-name.ts'
import type { ProjectParts } from './projects.ts'

/**
 * The project that a push to the repository would make; undefined when it would make none. Writes nothing: a token server asks it too. The caller asks
 * for the right (`project:create` on everything, or whoever is signed in where the rules say everyone) only when there is a name.
 */
export async function projectToMake(
  parts: Pick<ProjectParts, 'metadata'>,
  repository: RepositoryName,
): Promise<{ readonly name: string; readonly byEveryone: boolean } | undefined> {
  const slash = repository.indexOf('/')
  if (slash === -1) return undefined
  const rules = await readCreationRules(parts)
  if (!rules.autoCreateProjects) return undefined
  const name = repository.slice(0, slash)
  const { reader } = parts.metadata
  const owner = await ownerOf(reader, repository)
  if (!owner.isDefault || isBelow(repository, owner.name) || parseProjectName(name) === undefined) return undefined
  if ((await resolveRepositoryName(reader, repository)) !== repository) return undefined
  const { isTaken, takings, ending } = await claimOf(reader, name)
  if (isTaken || takings.length + ending.length > 0) return undefined
  // One above others is made on purpose, by who administers them.
  if ((await projectsBelow(reader, name, 1)).length > 0) return undefined
  return { name, byEveryone: rules.projectCreation === 'everyone' }
}

/** Makes the project of {@link projectToMake} for a caller who may. False when somebody else took the name meanwhile: then it is theirs to allow. */
export async function autoCreateProject(
  parts: ProjectParts,
  project: { readonly name: string; readonly owner: ProjectOwner | undefined },
  who: Who,
): Promise<boolean> {
  try {
    await createProject(parts, project, who)
    return true
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'CONFLICT') return false
    throw error
  }
}
