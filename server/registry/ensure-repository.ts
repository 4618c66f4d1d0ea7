/** A repository exists from its first push on: this finds or makes its row inside the transaction that needs it. */
import { recordEventLater } from '#events/record.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { resolveRepositoryName } from '#metadata/name-redirects.ts'
import { insertRepository } from '#metadata/repositories.ts'
import { countIn } from '#metadata/usage.ts'
import { placeOfName, placeOfRepository, type UsagePlace } from '#metadata/usage-place.ts'
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
 * Gives the repository's row id, by which it counts. When it makes the row, it counts it, for which a quota may throw DENIED, and records `repository.created`, in the same
 * transaction. `now` is in milliseconds.
 */
export async function ensureRepository(tx: Transactor, push: FirstPush): Promise<number> {
  return (await ensurePlace(tx, push, await placeOfName(tx, push.repository))).repositoryId
}

/** The same, with where it counts; `found`: what there is of that name, as it was read in this transaction. */
export async function ensurePlace(
  tx: Transactor,
  { repository, actor, now }: FirstPush,
  found: UsagePlace | undefined,
): Promise<UsagePlace> {
  if (found !== undefined) return found
  // Renamed or moved while the push was under way: what was begun there goes where the repository went.
  const name = await resolveRepositoryName(tx, repository)
  const moved = name === repository ? undefined : await placeOfName(tx, name)
  if (moved !== undefined) return moved
  const { id, isNew } = await insertRepository(tx, { name, projectId: await projectOf(tx, name), now })
  const place = await placeOfRepository(tx, id)
  if (!isNew) return place
  await countIn(tx, place, { common: { repositories: 1 }, blobs: [] })
  await recordEventLater(tx, { action: 'repository.created', repository: name, ...circumstancesOf(actor, now) }, place.projects[0])
  return place
}
