/** Mounting: a blob that the caller may pull somewhere becomes a blob of this repository without an upload (distribution-spec "Mounting a blob"). */
import { recordEvent } from '#events/record.ts'
import { extendLease, findVisibleBlob, linkBlob } from '#metadata/blobs.ts'
import { reviewLink } from '#metadata/garbage.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Visibility } from '#metadata/visibility.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { ensureRepository } from './ensure-repository.ts'
import { isWhole } from './quarantine-blob.ts'
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

const linkVisible = transaction(import.meta.url, 'mount-blob/mount', async (tx, input: MountInput) => {
  const { repository, digest, from, now, leaseUntil, actor } = input
  const blob = await findVisibleBlob(tx, input)
  if (blob?.key !== input.key) return false
  const repositoryId = await ensureRepository(tx, input)
  await extendLease(tx, blob.blobId, leaseUntil)
  await linkBlob(tx, { repositoryId, blobId: blob.blobId, digest, sizeBytes: blob.sizeBytes, now })
  await reviewLink(tx, { repositoryId, blobId: blob.blobId, reviewAfter: leaseUntil })
  await recordEvent(tx, {
    action: 'blob.mounted',
    repository,
    digest,
    ...circumstancesOf(actor, now),
    detail: { from },
  })
  return true
})

/** end-11. False when there is nothing to mount from, or nothing that the caller may see: the caller starts an upload. */
export async function mountBlob(registry: Registry, mount: Mount): Promise<boolean> {
  requireWritable(registry)
  const { repository, digest, from, visibility } = mount
  const blob = await findVisibleBlob(registry.metadata.reader, { digest, from, visibility })
  if (blob === undefined || !(await isWhole(registry, { ...blob, digest }))) return false
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
