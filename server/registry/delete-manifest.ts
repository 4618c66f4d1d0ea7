/** Deleting a manifest by its digest (its tags go in the same commit) or one tag (the manifest stays). Both go into the trash, where there is one. */
import { recordEvent } from '#events/record.ts'
import { reviewManifest } from '#metadata/garbage.ts'
import { manifestsOfRepository } from '#metadata/manifests.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { touchRepository } from '#metadata/repository-rows.ts'
import { tagExpiry } from '#metadata/tag-expiry.ts'
import { removeTag, tagTarget } from '#metadata/tags.ts'
import { insertTrash, type TrashReason } from '#metadata/trash.ts'
import { tagsChanged } from '#metadata/usage.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { requireMutable, requireMutableManifest } from '#projects/immutable-tags.ts'
import { circumstancesOf, plainActor } from './actor.ts'
import type { Actor, Registry } from './registry.ts'
import { historyReason, removeManifest } from './remove-manifest.ts'
import { requireDeletes } from './require.ts'
import { trashPlace, trashUntil } from './trash-place.ts'
import { noSuchTag } from './trash-words.ts'

/** Of what, on whose account, when, and until when it can be restored. */
export interface Deletion {
  readonly repository: RepositoryName
  readonly actor: Actor
  readonly reason: TrashReason
  readonly now: number
  readonly safeUntil: number
  readonly trashUntil: number | undefined
}

const removeByDigest = transaction(import.meta.url, 'delete-manifest/delete', async (tx, input: Deletion & { readonly digest: Digest }) => {
  const { repository, digest, now, safeUntil, actor, reason } = input
  const repositoryId = await requireRepository(tx, repository)
  const manifestId = (await manifestsOfRepository(tx, repositoryId, [digest])).get(digest)
  if (manifestId === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { digest })
  await requireMutableManifest(tx, { repository, manifestId })
  // Before it leaves, while its repository has its name: to which project the event belongs.
  await recordEvent(tx, { action: 'manifest.deleted', repository, digest, ...detailOf(reason), ...circumstancesOf(actor, now) })
  const removal = { repositoryId, manifestId, digest, actor: actor.name, now, safeUntil, reason, trashUntil: input.trashUntil }
  await removeManifest(tx, removal)
  await touchRepository(tx, repositoryId, now)
})

/** A tag that is to go only as long as it points at what the caller saw. */
export interface WantedTag {
  readonly name: Tag
  readonly expectedDigest?: Digest | undefined
  /** It goes only if it expired until then. */
  readonly dueAt?: number | undefined
}

/** Deletes one tag, in the transaction of who calls `run`, too. Throws as {@link deleteTag}. */
export const removeByTag = transaction(import.meta.url, 'delete-manifest/delete-tag', async (tx, input: Deletion & WantedTag) => {
  const { repository, name: tag, expectedDigest, now, safeUntil, actor, reason } = input
  const repositoryId = await requireRepository(tx, repository)
  if (input.dueAt !== undefined) await requireDue(tx, { repositoryId, tag, dueAt: input.dueAt })
  const removed = await removeTag(tx, { repositoryId, tag, now, actor: actor.name, reason: historyReason(reason) })
  if (removed === undefined) throw noSuchTag(repository, tag)
  // Nothing is written when this is thrown.
  if (expectedDigest !== undefined && removed.digest !== expectedDigest) throw new RegistryError('PRECONDITION_FAILED')
  await requireMutable(tx, { repository, tags: [tag], act: 'delete' })
  await tagsChanged(tx, repositoryId, -1)
  await reviewManifest(tx, removed.manifestId, { since: now, reviewAfter: safeUntil })
  if (input.trashUntil !== undefined) await trashTag(tx, { ...input, ...removed, repositoryId, trashUntil: input.trashUntil })
  await touchRepository(tx, repositoryId, now)
  await recordEvent(tx, {
    action: 'tag.deleted',
    repository,
    tag,
    digest: removed.digest,
    ...detailOf(reason),
    ...circumstancesOf(actor, now),
  })
})

/** Throws PRECONDITION_FAILED when it was given more time. */
async function requireDue(
  tx: Transactor,
  { repositoryId, tag, dueAt }: { readonly repositoryId: number; readonly tag: Tag; readonly dueAt: number },
) {
  const target = await tagTarget(tx, repositoryId, tag)
  const expiresAt = target && (await tagExpiry(tx, target.tagId))
  if (expiresAt === undefined || expiresAt > dueAt) throw new RegistryError('PRECONDITION_FAILED')
}

interface TrashedTag extends Deletion, WantedTag {
  readonly repositoryId: number
  readonly manifestId: number
  readonly digest: Digest
  readonly trashUntil: number
}

async function trashTag(tx: Transactor, { repositoryId, manifestId, digest, name, actor, ...rest }: TrashedTag): Promise<void> {
  await insertTrash(tx, {
    kind: 'tag',
    ...(await trashPlace(tx, repositoryId)),
    manifestId,
    digest,
    tags: [name],
    sizeBytes: 0,
    reason: rest.reason,
    deletedBy: actor.name,
    deletedAt: rest.now,
    expiresAt: rest.trashUntil,
  })
}

function detailOf(reason: TrashReason) {
  return reason === 'request' ? {} : { detail: { reason } }
}

/** What goes, and why, where nobody asked for it. */
interface WantedManifest {
  readonly digest: Digest
  readonly reason?: TrashReason | undefined
}

/** end-9 by digest. Throws `NAME_UNKNOWN`, `MANIFEST_UNKNOWN`, `TAG_IMMUTABLE` when a rule keeps one of its tags. */
export async function deleteManifest(
  registry: Registry,
  repository: RepositoryName,
  manifest: Digest | WantedManifest,
  actor: Actor,
): Promise<void> {
  requireDeletes(registry)
  const { digest, reason } = typeof manifest === 'string' ? { digest: manifest, reason: undefined } : manifest
  await registry.metadata.write(removeByDigest, { ...deletionOf(registry, { repository, actor, reason }), digest })
}

/** end-9 by tag. Throws `NAME_UNKNOWN`, `MANIFEST_UNKNOWN`, `TAG_IMMUTABLE`, and `PRECONDITION_FAILED` when it points elsewhere than expected. */
export async function deleteTag(
  registry: Registry,
  repository: RepositoryName,
  tag: Tag | (WantedTag & Pick<WantedManifest, 'reason'>),
  actor: Actor,
): Promise<void> {
  requireDeletes(registry)
  const { name, expectedDigest, dueAt, reason }: WantedTag & Pick<WantedManifest, 'reason'> = typeof tag === 'string' ? { name: tag } : tag
  await registry.metadata.write(removeByTag, { ...deletionOf(registry, { repository, actor, reason }), name, expectedDigest, dueAt })
}

function deletionOf(
  registry: Registry,
  { repository, actor, reason }: { readonly repository: RepositoryName; readonly actor: Actor; readonly reason: TrashReason | undefined },
): Deletion {
  const now = registry.context.ports.clock.now()
  const times = { now, safeUntil: now + registry.options.garbageDelayMs, trashUntil: trashUntil(registry, now) }
  return { repository, actor: plainActor(actor), reason: reason ?? 'request', ...times }
}

async function requireRepository(tx: Transactor, repository: RepositoryName): Promise<number> {
  const id = await repositoryIdIn(tx, repository)
  if (id === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
  return id
}
