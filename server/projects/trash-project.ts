/**
 * A project on its way into the trash: it, the projects below it and all their repositories get names that no client can write, in one commit. Members, robots,
 * labels, quotas and rules stay on their rows, which nobody can reach.
 */
import type { Who } from '#events/event.ts'
import { trashedNameOf } from '#metadata/hidden-repositories.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { deleteRedirectsInto } from '#metadata/name-redirects.ts'
import { renameProjectsBelow, renameRepositoriesBelow, type ProjectRow } from '#metadata/projects.ts'
import { insertTrash } from '#metadata/trash.ts'
import { repositoryBytes } from '#metadata/trashed-manifests.ts'
import { addChange, negative, systemScope } from '#metadata/usage-counters.ts'
import { moveUsage, repositoriesWithin } from '#metadata/usage-moves.ts'
import { projectsAbove } from '#metadata/usage-place.ts'
import { isBelow } from '#metadata/name-prefixes.ts'
import { ownerOf } from './find-project.ts'

/** Which project, and until when it can be restored. */
export interface ProjectTrashing {
  readonly project: Pick<ProjectRow, 'id' | 'name'>
  readonly who: Who
  readonly now: number
  readonly trashUntil: number
}

/** The event is recorded by the caller, while the project has its name. */
export async function trashProject(tx: Transactor, { project, who, now, trashUntil }: ProjectTrashing): Promise<void> {
  const { id, name } = project
  const repositoryIds = await repositoriesWithin(tx, project)
  await insertTrash(tx, {
    kind: 'project',
    projectId: id,
    parentId: await parentOf(tx, name),
    repositoryId: null,
    manifestId: null,
    project: name,
    repository: '',
    digest: undefined,
    tags: [],
    sizeBytes: await repositoryBytes(tx, repositoryIds),
    reason: 'request',
    deletedBy: who.actor,
    deletedAt: now,
    expiresAt: trashUntil,
  })
  // Those above lose what it used; it and those below keep their own numbers, and come back with them.
  const gone = await moveUsage(tx, { repositoryIds, lost: await projectsAbove(tx, name), gained: [] })
  await addChange(tx, systemScope, negative(gone))
  await deleteRedirectsInto(tx, name)
  const change = { from: name, to: trashedNameOf(id) }
  await renameProjectsBelow(tx, { ...change, at: now })
  await renameRepositoriesBelow(tx, change)
  await tx.updateTable('projects').set({ name: change.to, trashed_name: name, updated_at: now }).where('id', '=', id).execute()
}

async function parentOf(tx: Transactor, name: string): Promise<number | undefined> {
  const above = await ownerOf(tx, name)
  return isBelow(name, above.name) ? above.id : undefined
}
