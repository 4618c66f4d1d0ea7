/** Deleting a manifest by its digest (its tags go in the same commit) or one tag (the manifest stays). */
import { recordEvent } from '#events/record.ts'
import { review } from '#metadata/garbage.ts'
import { manifestsOfRepository } from '#metadata/manifests.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { touchRepository } from '#metadata/repository-rows.ts'
import { removeTag } from '#metadata/tags.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { circumstancesOf, plainActor } from './actor.ts'
import type { Actor, Registry } from './registry.ts'
import { removeManifest } from './remove-manifest.ts'
import { requireDeletes } from './require.ts'

interface Deletion {
  readonly repository: RepositoryName
  readonly actor: Actor
  readonly now: number
  readonly safeUntil: number
}

const removeByDigest = transaction(import.meta.url, 'delete-manifest/delete', async (tx, input: Deletion & { readonly digest: Digest }) => {
  const { repository, digest, now, safeUntil, actor } = input
  const repositoryId = await requireRepository(tx, repository)
  const manifestId = (await manifestsOfRepository(tx, repositoryId, [digest])).get(digest)
  if (manifestId === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { digest })
  await removeManifest(tx, { repositoryId, manifestId, digest, actor: actor.name, now, safeUntil })
  await touchRepository(tx, repositoryId, now)
  await recordEvent(tx, { action: 'manifest.deleted', repository, digest, ...circumstancesOf(actor, now) })
})

/** A tag that is to go only as long as it points at what the caller saw. */
interface WantedTag {
  readonly name: Tag
  readonly expectedDigest?: Digest | undefined
}

const removeByTag = transaction(import.meta.url, 'delete-manifest/delete-tag', async (tx, input: Deletion & WantedTag) => {
  const { repository, name: tag, expectedDigest, now, safeUntil, actor } = input
  const repositoryId = await requireRepository(tx, repository)
  const removed = await removeTag(tx, { repositoryId, tag, now, actor: actor.name })
  if (removed === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { tag })
  // Nothing is written when this is thrown.
  if (expectedDigest !== undefined && removed.digest !== expectedDigest) throw new RegistryError('PRECONDITION_FAILED')
  await review(tx, 'manifest', removed.manifestId, safeUntil)
  await touchRepository(tx, repositoryId, now)
  await recordEvent(tx, {
    action: 'tag.deleted',
    repository,
    tag,
    digest: removed.digest,
    ...circumstancesOf(actor, now),
  })
})

/** end-9 by digest. Throws `NAME_UNKNOWN`, `MANIFEST_UNKNOWN`. */
export async function deleteManifest(registry: Registry, repository: RepositoryName, digest: Digest, actor: Actor): Promise<void> {
  requireDeletes(registry)
  await registry.metadata.write(removeByDigest, { ...deletionOf(registry, repository, actor), digest })
}

/** end-9 by tag. Throws `NAME_UNKNOWN`, `MANIFEST_UNKNOWN`, and `PRECONDITION_FAILED` when it points elsewhere than expected. */
export async function deleteTag(registry: Registry, repository: RepositoryName, tag: Tag | WantedTag, actor: Actor): Promise<void> {
  requireDeletes(registry)
  const wanted = typeof tag === 'string' ? { name: tag } : tag
  await registry.metadata.write(removeByTag, { ...deletionOf(registry, repository, actor), ...wanted })
}

function deletionOf(registry: Registry, repository: RepositoryName, actor: Actor): Deletion {
  const now = registry.context.ports.clock.now()
  return { repository, actor: plainActor(actor), now, safeUntil: now + registry.options.garbageDelayMs }
}

async function requireRepository(tx: Transactor, repository: RepositoryName): Promise<number> {
  const id = await repositoryIdIn(tx, repository)
  if (id === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
  return id
}
