/** A repository that was made for an upload of which nothing came. */
import type { Transactor } from '#metadata/metadata.ts'
import { deleteRepositoryRow, isUnusedRepository } from '#metadata/repositories.ts'
import { repositoryUnmade } from '#metadata/usage.ts'

/** Removes the row, and counts it off, if nothing was ever kept under it. */
export async function dropUnusedRepository(tx: Transactor, repositoryId: number): Promise<void> {
  if (!(await isUnusedRepository(tx, repositoryId))) return
  await repositoryUnmade(tx, repositoryId)
  await deleteRepositoryRow(tx, repositoryId)
}
