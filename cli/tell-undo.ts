/** After a delete: how to undo it, and until when. */
import type { ResponseOf } from '#api/contract.ts'
import { listTrash } from '#api/routes/trash.ts'
import type { ApiCommand } from './api-command.ts'

type Trash = ResponseOf<typeof listTrash>['items'][number]

/** What was deleted, as the trash knows it. */
interface Deleted {
  readonly kind: Trash['kind']
  readonly project?: string
  readonly repository?: string
  /** Which of the latest of that kind it is. */
  readonly isIt: (item: Trash) => boolean
}

/** So many deletions of others may have come in between. */
const lookedAt = 50

/** Says nothing where there is no trash, or none that the caller may see. */
export async function tellUndo({ client }: Pick<ApiCommand, 'client'>, { kind, project, repository, isIt }: Deleted): Promise<void> {
  const where = { ...(project !== undefined && { project }), ...(repository !== undefined && { repository }) }
  const query = { kind, ...where, limit: lookedAt, sort: '-deletedAt' } as const
  const item = await client.call(listTrash, { query }).then(
    ({ items }) => items.find(isIt),
    // It is deleted: that the trash cannot be read is nothing that this command failed in.
    () => undefined,
  )
  if (item !== undefined) console.error(`undo it until ${item.expiresAt} with: berth trash restore ${item.id}`)
}
