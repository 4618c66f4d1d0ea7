/** Deleting a blob: from one repository, unless a manifest there needs it. Its bytes go when nothing else holds them. */
import { recordEvent } from '#events/record.ts'
import { blobsOfRepository } from '#metadata/blobs.ts'
import { review } from '#metadata/garbage.ts'
import { manifestsWithBlob } from '#metadata/manifests.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { linkLeft } from '#metadata/usage.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { circumstancesOf, plainActor } from './actor.ts'
import type { Actor, Registry } from './registry.ts'
import { requireDeletes } from './require.ts'

/** How many of the manifests in the way an answer names. */
const namedManifests = 10

interface BlobDeletion {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly actor: Actor
  readonly now: number
}

const unlink = transaction(import.meta.url, 'delete-blob/unlink', async (tx, { repository, digest, actor, now }: BlobDeletion) => {
  const repositoryId = await repositoryIdIn(tx, repository)
  if (repositoryId === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
  const blobId = (await blobsOfRepository(tx, repositoryId, [digest])).get(digest)
  if (blobId === undefined) throw new RegistryError('BLOB_UNKNOWN', { digest })
  const manifests = await manifestsWithBlob(tx, repositoryId, blobId, namedManifests)
  if (manifests.length > 0) throw new RegistryError('BLOB_IN_USE', { manifests })
  await linkLeft(tx, { repositoryId, blobId })
  await tx.deleteFrom('repository_blobs').where('repository_id', '=', repositoryId).where('blob_id', '=', blobId).execute()
  // The lease still holds: garbage collection looks now, and again when it is over.
  await review(tx, 'blob', blobId, now)
  await recordEvent(tx, { action: 'blob.deleted', repository, digest, ...circumstancesOf(actor, now) })
})

/** end-10. Throws `BLOB_IN_USE` with the digests of manifests that need it, `BLOB_UNKNOWN`, `NAME_UNKNOWN`. */
export async function deleteBlob(registry: Registry, repository: RepositoryName, digest: Digest, actor: Actor): Promise<void> {
  requireDeletes(registry)
  await registry.metadata.write(unlink, { repository, digest, actor: plainActor(actor), now: registry.context.ports.clock.now() })
}
