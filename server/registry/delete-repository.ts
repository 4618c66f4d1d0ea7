/**
 * Deleting a repository with everything in it.
 *
 * A repository may hold a million manifests, and one commit that removes them would hold every other write. So the first commit takes it out of
 * sight (its row gets a name that nobody can ask for, the name is free again), and batches empty it afterwards; garbage collection ends what a
 * crash interrupts.
 */
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { deleteRedirectsTo, formerNames } from '#metadata/name-redirects.ts'
import { buriedRepositories, buryRepository, deleteRepositoryRow, repositoryIdIn } from '#metadata/repositories.ts'
import { releaseLinks } from '#metadata/garbage.ts'
import { someManifests } from '#metadata/manifests.ts'
import { transaction } from '#metadata/transaction.ts'
import { uploadsOfRepository } from '#metadata/uploads.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { circumstancesOf, plainActor } from './actor.ts'
import type { Actor, Registry } from './registry.ts'
import { removeManifest } from './remove-manifest.ts'
import { requireDeletes } from './require.ts'
import { dropBytes } from './upload-session.ts'

/** Each manifest takes a handful of statements; a batch holds the writer for some 20 ms. */
const batchRows = 100

interface Burial {
  readonly repository: RepositoryName
  readonly actor: Actor
  readonly now: number
}

async function buryIn(tx: Transactor, { repository, actor, now }: Burial): Promise<number> {
  const repositoryId = await repositoryIdIn(tx, repository)
  if (repositoryId === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
  await buryRepository(tx, repositoryId)
  await recordEvent(tx, { action: 'repository.deleted', repository, ...circumstancesOf(actor, now) })
  return repositoryId
}

const bury = transaction(import.meta.url, 'delete-repository/bury', buryIn)

/** As {@link bury}, with the redirects that led to it, which everybody remembers. */
const buryWithRedirects = accessTransaction(import.meta.url, 'delete-repository/bury-with-redirects', async (tx, burial: Burial) => {
  await deleteRedirectsTo(tx, 'repository', burial.repository)
  return await buryIn(tx, burial)
})

interface Batch {
  readonly repositoryId: number
  readonly now: number
  readonly safeUntil: number
}

/** True when there is nothing left to empty. */
const emptyBatch = transaction(import.meta.url, 'delete-repository/empty', async (tx, { repositoryId, now, safeUntil }: Batch) => {
  const manifests = await someManifests(tx, repositoryId, batchRows)
  for (const manifest of manifests) await removeManifest(tx, { repositoryId, ...manifest, actor: '', now, safeUntil })
  if (manifests.length > 0) return false
  return (await releaseLinks(tx, repositoryId, { limit: batchRows, reviewAfter: now })) === 0
})

/** Ends the row; gives the uploads that were open. */
const removeRow = transaction(
  import.meta.url,
  'delete-repository/remove',
  async (tx, { repositoryId }: { readonly repositoryId: number }) => {
    const uploads = await uploadsOfRepository(tx, repositoryId)
    await deleteRepositoryRow(tx, repositoryId)
    return uploads
  },
)

/** Throws `NAME_UNKNOWN`. When it resolves the repository is gone; its blobs go with garbage collection. */
export async function deleteRepository(registry: Registry, repository: RepositoryName, actor: Actor): Promise<void> {
  requireDeletes(registry)
  const now = registry.context.ports.clock.now()
  const isRedirectedTo = (await formerNames(registry.metadata.reader, 'repository', repository, 1)).length > 0
  const repositoryId = await registry.metadata.write(isRedirectedTo ? buryWithRedirects : bury, {
    repository,
    actor: plainActor(actor),
    now,
  })
  await emptyRepository(registry, repositoryId)
}

/** Goes on with deletions that a crash interrupted. */
export async function finishDeletions(registry: Registry, signal: AbortSignal): Promise<void> {
  for (const repositoryId of await buriedRepositories(registry.metadata.reader, batchRows)) {
    signal.throwIfAborted()
    await emptyRepository(registry, repositoryId)
  }
}

async function emptyRepository(registry: Registry, repositoryId: number): Promise<void> {
  for (let isEmpty = false; !isEmpty;) {
    const now = registry.context.ports.clock.now()
    isEmpty = await registry.metadata.write(emptyBatch, { repositoryId, now, safeUntil: now + registry.options.garbageDelayMs })
  }
  for (const uploadId of await registry.metadata.write(removeRow, { repositoryId })) {
    registry.memory.uploads.drop(uploadId)
    await dropBytes(registry, uploadId)
  }
}
