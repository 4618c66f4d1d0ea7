/**
 * Deleting a project: into the trash with all that it has, or, where there is none, when it has nothing in it any more (registry/delete-project.ts empties
 * one first).
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { buryRepositoriesOf } from '#metadata/hidden-repositories.ts'
import { deleteRedirectsInto } from '#metadata/name-redirects.ts'
import {
  deleteProjectRow,
  projectsBelow,
  projectsNamedOrDefault,
  reassignBuriedRepositories,
  repositoriesOfProject,
  type ProjectRow,
} from '#metadata/projects.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { firstRepositoryName } from '#metadata/repositories.ts'
import { hasKeepers } from '#metadata/retention-keepers.ts'
import { hidePoliciesOf, outdatePolicies } from '#metadata/retention-policies.ts'
import { handTrashOn } from '#metadata/trash.ts'
import { RegistryError } from '#oci/errors.ts'
import { outerOf } from './former-place.ts'
import { requireUnchanged, type ContentScan } from './immutable-content.ts'
import { projectToChange, type ProjectParts } from './projects.ts'
import { trashProject } from './trash-project.ts'

/** Which project, in which version, and what becomes of it. */
export interface ProjectDeletion {
  readonly projectId: number
  readonly expectedVersion: number | undefined
  /** Until when it can be restored; undefined: there is no trash. */
  readonly trashUntil?: number | undefined
  /** With all that is in it, and the projects below it: into the trash alone. */
  readonly withContent?: boolean | undefined
  /** That nothing in it is immutable. */
  readonly scan?: ContentScan | undefined
}

interface Deletion extends ProjectDeletion {
  readonly who: Who
  readonly now: number
}

const remove = accessTransaction(import.meta.url, 'delete-project/remove', async (tx, input: Deletion): Promise<void> => {
  const project = await projectToChange(tx, input.projectId, input.expectedVersion)
  const { id, name } = project
  if (project.isDefault) throw standsInTheWay('the default project stays: it takes the repositories that no other project does')
  if (input.withContent !== true) await requireEmpty(tx, project)
  if (input.scan !== undefined) await requireUnchanged(tx, { kind: 'project', name, id }, input.scan)
  // While the row has its name, which the record tells.
  await recordEvent(tx, { action: 'project.deleted', target: `project:${name}`, project: name, at: input.now, ...input.who })
  // What kept tags from policies above goes with it; one that kept none changes nothing for them.
  if (await hasKeepers(tx, project)) await outdatePolicies(tx, project)
  const { trashUntil, who, now } = input
  if (trashUntil === undefined) await removeProject(tx, { id, name })
  else await trashProject(tx, { project, who, now, trashUntil })
})

async function requireEmpty(tx: Transactor, { id, name }: ProjectRow): Promise<void> {
  if ((await projectsBelow(tx, name, 1)).length > 0)
    throw standsInTheWay('there are projects below it: delete them first, or repeat the request with force=true')
  if ((await repositoriesOfProject(tx, id, { from: firstRepositoryName, limit: 1 })).length > 0) {
    throw standsInTheWay('it has repositories: delete or move them first, or repeat the request with force=true')
  }
}

/** Ends a project that nobody can restore. What it still has are repositories that nobody can name: they are emptied elsewhere. */
export async function removeProject(tx: Transactor, { id, name }: Pick<ProjectRow, 'id' | 'name'>): Promise<void> {
  const fallback = (await projectsNamedOrDefault(tx, [])).find((each) => each.isDefault)
  if (fallback === undefined) throw new Error('the default project is missing')
  await buryRepositoriesOf(tx, { id, name })
  await reassignBuriedRepositories(tx, { fromProject: id, toProject: fallback.id, before: firstRepositoryName })
  await hidePoliciesOf(tx, { fromProject: id, toProject: fallback.id })
  await deleteRedirectsInto(tx, name)
  await handTrashOn(tx, { from: id, to: (await outerOf(tx, { id, name }))?.id })
  await deleteProjectRow(tx, id)
}

function standsInTheWay(message: string): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message })
}

/** Its grants, robots and labels go with it, and the former names that led to it. Throws CONFLICT when it is not empty, or the default project. */
export async function deleteProject({ metadata, ports }: ProjectParts, project: ProjectDeletion, who: Who): Promise<void> {
  const { projectId, expectedVersion, trashUntil, withContent, scan } = project
  // What is in it is emptied in batches, by those who know blobs.
  if (withContent === true && trashUntil === undefined) throw new Error('a project is deleted with its content into no trash')
  await metadata.write(remove, { projectId, expectedVersion, trashUntil, withContent, scan, who, now: ports.clock.now() })
}
