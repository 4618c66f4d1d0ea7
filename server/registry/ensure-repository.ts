/** A repository exists from its first push on: this finds or makes its row inside the transaction that needs it. */
import { recordEvent } from '#events/record.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { resolveRepositoryName } from '#metadata/name-redirects.ts'
import { insertRepository, repositoryIdIn } from '#metadata/repositories.ts'
import { repositoryMade } from '#metadata/usage.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { projectOf } from '#projects/find-project.ts'
import { circumstancesOf } from './actor.ts'
import type { Actor } from './registry.ts'

interface FirstPush {
  readonly repository: RepositoryName
  readonly actor: Actor
  readonly now: number
}

/**
 * Gives the repository's row id. When it makes the row, it counts it, for which a quota may throw DENIED, and records `repository.created`, in the same
 * transaction. `now` is in milliseconds.
 */
export async function ensureRepository(tx: Transactor, { repository, actor, now }: FirstPush): Promise<number> {
  const found = await repositoryIdIn(tx, repository)
  if (found !== undefined) return found
  // Renamed or moved while the push was under way: what was begun there goes where the repository went.
  const name = await resolveRepositoryName(tx, repository)
  const moved = name === repository ? undefined : await repositoryIdIn(tx, name)
  if (moved !== undefined) return moved
  const { id, isNew } = await insertRepository(tx, { name, projectId: await projectOf(tx, name), now })
  if (!isNew) return id
  await repositoryMade(tx, id)
  await recordEvent(tx, { action: 'repository.created', repository: name, ...circumstancesOf(actor, now) })
  return id
}
