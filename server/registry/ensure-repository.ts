/** A repository exists from its first push on: this finds or makes its row inside the transaction that needs it. */
import { recordEvent } from '#events/record.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { insertRepository, repositoryIdIn } from '#metadata/repositories.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { projectOf } from '#projects/find-project.ts'
import type { Actor } from './registry.ts'

interface FirstPush {
  readonly repository: RepositoryName
  readonly actor: Actor
  readonly now: number
}

/** Gives the repository's row id. When it makes the row, it records `repository.created` in the same transaction. `now` is in milliseconds. */
export async function ensureRepository(tx: Transactor, { repository, actor, now }: FirstPush): Promise<number> {
  const found = await repositoryIdIn(tx, repository)
  if (found !== undefined) return found
  const id = await insertRepository(tx, { name: repository, projectId: await projectOf(tx, repository), now })
  await recordEvent(tx, { action: 'repository.created', repository, at: now, actor: actor.name, requestId: actor.requestId })
  return id
}
