/** Where something was when it was deleted, and until when it can be restored. */
import type { Transactor } from '#metadata/metadata.ts'
import type { NewTrash } from '#metadata/trash.ts'
import type { Registry } from './registry.ts'

/** Until when what is deleted now can be restored; undefined where there is no trash. */
export function trashUntil({ options }: Pick<Registry, 'options'>, now: number): number | undefined {
  return options.trashWindowMs > 0 ? now + options.trashWindowMs : undefined
}

type TrashPlace = Pick<NewTrash, 'projectId' | 'project' | 'repository'> & { readonly repositoryId: number }

/** The names of a repository that is live, and of its project, as a row of the trash keeps them. */
export async function trashPlace(tx: Transactor, repositoryId: number): Promise<TrashPlace> {
  const row = await tx
    .selectFrom('repositories as r')
    .innerJoin('projects as p', 'p.id', 'r.project_id')
    .select(['p.id as projectId', 'p.name as project', 'r.name as repository'])
    .where('r.id', '=', repositoryId)
    .executeTakeFirstOrThrow()
  return { ...row, repositoryId }
}
