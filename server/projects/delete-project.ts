/** Deleting a project that has nothing in it any more; registry/delete-project.ts empties one first. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { deleteRedirectsInto } from '#metadata/name-redirects.ts'
import {
  deleteProjectRow,
  projectsBelow,
  projectsNamedOrDefault,
  reassignBuriedRepositories,
  repositoriesOfProject,
} from '#metadata/projects.ts'
import { firstRepositoryName } from '#metadata/repositories.ts'
import { RegistryError } from '#oci/errors.ts'
import { projectToChange, type ProjectParts } from './projects.ts'

interface Deletion {
  readonly projectId: number
  readonly expectedVersion: number | undefined
  readonly who: Who
  readonly now: number
}

const remove = accessTransaction(import.meta.url, 'delete-project/remove', async (tx, input: Deletion): Promise<void> => {
  const project = await projectToChange(tx, input.projectId, input.expectedVersion)
  const { id, name } = project
  if (project.isDefault) throw standsInTheWay('the default project stays: it takes the repositories that no other project does')
  if ((await projectsBelow(tx, name, 1)).length > 0) throw standsInTheWay('there are projects below it: delete them first, or force it')
  if ((await repositoriesOfProject(tx, id, { from: firstRepositoryName, limit: 1 })).length > 0) {
    throw standsInTheWay('it has repositories: delete or move them first, or force it')
  }
  const fallback = (await projectsNamedOrDefault(tx, [])).find((each) => each.isDefault)
  if (fallback === undefined) throw new Error('the default project is missing')
  // Those that are being deleted end their days elsewhere.
  await reassignBuriedRepositories(tx, { fromProject: id, toProject: fallback.id, before: firstRepositoryName })
  await deleteRedirectsInto(tx, name)
  // While the row is there, whose id the record keeps.
  await recordEvent(tx, { action: 'project.deleted', target: `project:${name}`, project: name, at: input.now, ...input.who })
  await deleteProjectRow(tx, id)
})

function standsInTheWay(message: string): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message })
}

/** Its grants, robots and labels go with it, and the former names that led to it. Throws CONFLICT when it is not empty, or the default project. */
export async function deleteProject(
  { metadata, ports }: ProjectParts,
  project: { readonly projectId: number; readonly expectedVersion: number | undefined },
  who: Who,
): Promise<void> {
  await metadata.write(remove, { ...project, who, now: ports.clock.now() })
}
