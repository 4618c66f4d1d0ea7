/**
 * Takes a manifest out of a repository inside a transaction, whoever asked: tags into history, what it held under review, then the row into the trash,
 * or away where there is none. Every manifest that leaves a live repository leaves by here.
 *
 * The number of statements does not depend on the number of tags, layers or children.
 */
import { releaseManifest } from '#metadata/garbage.ts'
import { ensureTwin } from '#metadata/hidden-repositories.ts'
import { deleteManifestRow, manifestsOfRepository } from '#metadata/manifests.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { removeTagsOf } from '#metadata/tags.ts'
import { insertTrash, retargetTrashedTags, type TrashReason } from '#metadata/trash.ts'
import { manifestBytes, moveManifest } from '#metadata/trashed-manifests.ts'
import { manifestLeft, tagsChanged } from '#metadata/usage.ts'
import type { Digest } from '#oci/digest.ts'
import type { Tag } from '#oci/reference.ts'
import { trashPlace } from './trash-place.ts'

/** Which manifest goes for good. `now` and `safeUntil` are milliseconds. */
export interface ManifestPurge {
  readonly repositoryId: number
  readonly manifestId: number
  readonly digest: Digest
  readonly actor: string
  readonly now: number
  /** What it held is safe until then. */
  readonly safeUntil: number
  /** It was untagged since then, and so was all that only it kept. */
  readonly since?: number | undefined
}

/** Which manifest leaves a live repository, on whose account and why. */
export interface ManifestRemoval extends ManifestPurge {
  readonly reason: TrashReason
  /** Until when it can be restored; undefined: it goes at once. */
  readonly trashUntil: number | undefined
}

/** Gives the tags that went with it. */
export async function removeManifest(tx: Transactor, removal: ManifestRemoval): Promise<readonly Tag[]> {
  const { repositoryId, manifestId, reason } = removal
  const tags = await removeTagsOf(tx, { ...removal, reason: historyReason(reason) })
  if (tags.length > 0) await tagsChanged(tx, repositoryId, -tags.length)
  await manifestLeft(tx, { repositoryId, manifestId })
  await releaseManifest(tx, removal)
  if (removal.trashUntil === undefined) await deleteManifestRow(tx, manifestId)
  else await trashManifest(tx, { ...removal, trashUntil: removal.trashUntil }, tags)
  return tags
}

/** What the history of a tag keeps of why it went: nothing where somebody asked for it. */
export function historyReason(reason: TrashReason): string {
  return reason === 'request' ? '' : reason
}

async function trashManifest(
  tx: Transactor,
  removal: ManifestRemoval & { readonly trashUntil: number },
  tags: readonly Tag[],
): Promise<void> {
  const { repositoryId, manifestId, digest, now } = removal
  const twinId = await ensureTwin(tx, repositoryId, now)
  const former = (await manifestsOfRepository(tx, twinId, [digest])).get(digest)
  if (former !== undefined) {
    // Pushed and deleted again meanwhile: the trash keeps the latest.
    await retargetTrashedTags(tx, { from: former, to: manifestId })
    await purgeManifest(tx, { ...removal, repositoryId: twinId, manifestId: former })
  }
  await moveManifest(tx, manifestId, twinId)
  await insertTrash(tx, {
    kind: 'manifest',
    ...(await trashPlace(tx, repositoryId)),
    manifestId,
    digest,
    tags,
    sizeBytes: await manifestBytes(tx, manifestId),
    reason: removal.reason,
    deletedBy: removal.actor,
    deletedAt: now,
    expiresAt: removal.trashUntil,
  })
}

/** Ends a manifest of a repository that nobody can name: its usage was counted off when it left. */
export async function purgeManifest(tx: Transactor, purge: ManifestPurge): Promise<void> {
  await removeTagsOf(tx, purge)
  await releaseManifest(tx, purge)
  await deleteManifestRow(tx, purge.manifestId)
}
