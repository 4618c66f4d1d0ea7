/** Mounting: a blob that the caller may pull somewhere becomes a blob of this repository without an upload (distribution-spec "Mounting a blob"). */
import { storeOf } from '#blobs/stores.ts'
import { recordEventLater } from '#events/record.ts'
import { extendLease, findVisibleBlob, linkBlob } from '#metadata/blobs.ts'
import { reviewLink } from '#metadata/garbage.ts'
import { lockBlob, lockReferences } from '#metadata/push-locks.ts'
import { later, together } from '#metadata/together.ts'
import { transaction } from '#metadata/transaction.ts'
import { placeOfName } from '#metadata/usage-place.ts'
import type { Visibility } from '#metadata/visibility.ts'
import { digestToBytes, type Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { ensurePlace } from './ensure-repository.ts'
import { lookWhether } from './quarantine-blob.ts'
import { circumstancesOf, plainActor } from './actor.ts'
import type { Actor, Registry } from './registry.ts'
import { requireWritable } from './require.ts'

/** Which blob is wanted where, by whom; `visibility` bounds the repositories that it may come from. */
export interface Mount {
  readonly repository: RepositoryName
  readonly digest: Digest
  /** Undefined: from any repository that the caller may see. */
  readonly from?: RepositoryName | undefined
  readonly visibility: Visibility
  readonly actor: Actor
}

interface MountInput extends Mount {
  readonly from: RepositoryName | undefined
  readonly key: string
  readonly now: number
  readonly leaseUntil: number
}

const linkVisible = transaction(
  import.meta.url,
  'mount-blob/mount',
  async (tx, input: MountInput) => {
    const { repository, digest, from, now, leaseUntil, actor } = input
    const [, , blob, found] = await together(
      lockReferences(tx, repository, 'beside'),
      lockBlob(tx, digestToBytes(digest)),
      findVisibleBlob(tx, input),
      placeOfName(tx, repository),
    )
    if (blob?.key !== input.key) return false
    const place = await ensurePlace(tx, input, found)
    if (place.repository !== repository) await lockReferences(tx, place.repository, 'beside')
    const { repositoryId } = place
    await later(tx, extendLease(tx, blob.blobId, leaseUntil))
    await linkBlob(tx, { repositoryId, blobId: blob.blobId, digest, sizeBytes: blob.sizeBytes, now })
    await reviewLink(tx, { repositoryId, blobId: blob.blobId, reviewAfter: leaseUntil })
    await recordEventLater(tx, {
      action: 'blob.mounted',
      repository,
      digest,
      ...circumstancesOf(actor, now),
      detail: { from },
    })
    return true
  },
  'read committed',
)

/** end-11. False when there is nothing to mount from, or nothing that the caller may see: the caller starts an upload. */
export async function mountBlob(registry: Registry, mount: Mount): Promise<boolean> {
  requireWritable(registry)
  const { repository, digest, from, visibility } = mount
  const blob = await findVisibleBlob(registry.metadata.reader, { digest, from, visibility })
  if (blob === undefined || (await lookWhether(registry, { ...blob, digest })) !== 'whole') return false
  // No byte is written, so the store is not asked by itself.
  await storeOf(registry.stores, blob.store).requireThere()
  using room = await registry.memory.quotas.roomFor(repository, { digest })
  room?.require(blob.sizeBytes)
  const now = registry.context.ports.clock.now()
  const leaseUntil = now + registry.options.garbageDelayMs
  const linked = await registry.metadata.write(linkVisible, {
    repository,
    digest,
    from,
    visibility,
    actor: plainActor(mount.actor),
    key: blob.key,
    now,
    leaseUntil,
  })
  if (linked) registry.memory.quotas.changed(repository)
  return linked
}
