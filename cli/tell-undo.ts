/** After a delete: how to undo it, and until when. */
import type { ResponseOf } from '#api/contract.ts'
import { readRepository } from '#api/routes/repositories.ts'
import { listTrash } from '#api/routes/trash.ts'
import type { ApiCommand } from './api-command.ts'

type Trash = ResponseOf<typeof listTrash>['items'][number]

/** What was deleted, as the trash knows it. */
interface Deleted {
  /** By its present name. */
  readonly name: string
  readonly kind: Trash['kind']
  readonly project?: string
  readonly repository?: string
  /** Which of the latest of that kind it is. */
  readonly isIt: (item: Trash) => boolean
}

/** By its present name: a former one leads there. As it was called where the caller may not read it. */
export async function presentName({ client }: Pick<ApiCommand, 'client'>, repository: string): Promise<string> {
  return await client.call(readRepository, { params: { repository } }).then(
    ({ name }) => name,
    () => repository,
  )
}

/** What is, or was, deleted. Where it was called by a former name both are told: `crew/app:v1 (formerly team/app:v1)`. */
export function calledNow(asked: string, now: string): string {
  return asked === now ? asked : `${now} (formerly ${asked})`
}

/** So many deletions of others may have come in between. */
const lookedAt = 50

/** The way back stays untold, and is null for programs, where there is no trash, or none that the caller may see. */
export async function tellUndo(
  { client, print }: Pick<ApiCommand, 'client' | 'print'>,
  { name, kind, project, repository, isIt }: Deleted,
): Promise<void> {
  const where = { ...(project !== undefined && { project }), ...(repository !== undefined && { repository }) }
  const query = { kind, ...where, limit: lookedAt, sort: '-deletedAt' } as const
  const item = await client.call(listTrash, { query }).then(
    ({ items }) => items.find(isIt),
    // It is deleted: that the trash cannot be read is nothing that this command failed in.
    () => undefined,
  )
  print({ deleted: name, trash: item?.id ?? null, restorableUntil: item?.expiresAt ?? null }, () => undefined)
  if (item !== undefined) console.error(`undo it until ${item.expiresAt} with: berth trash restore ${item.id}`)
}
