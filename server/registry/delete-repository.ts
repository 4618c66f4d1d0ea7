/**
 * Deleting a repository with everything in it.
 *
 * A repository may hold a million manifests, and one commit that removes them would hold every other write. So the first commit takes it out of
 * sight (its row gets a name that nobody can ask for, the name is free again). Where there is a trash it stays so until its time there is over; where
 * there is none, batches empty it at once. Garbage collection ends what a crash interrupts.
 */
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { deleteRedirectsTo, formerNames } from '#metadata/name-redirects.ts'
import { forgetDecisionsAbout } from '#metadata/forget-decisions.ts'
import { buriedRepositories, buryRepository, hideRepository } from '#metadata/hidden-repositories.ts'
import { deleteRepositoryRow, repositoryIdIn } from '#metadata/repositories.ts'
import { insertTrash, type TrashReason } from '#metadata/trash.ts'
import { findRepositoryRow } from '#metadata/repository-rows.ts'
import { repositoryLeft } from '#metadata/usage.ts'
import { repositoryBytes } from '#metadata/trashed-manifests.ts'
import { releaseLinks } from '#metadata/garbage.ts'
import { someManifests } from '#metadata/manifests.ts'
import { transaction } from '#metadata/transaction.ts'
import { uploadsOfRepository } from '#metadata/uploads.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { requireUnchanged, scanForImmutable, type ContentScan } from '#projects/immutable-content.ts'
import { circumstancesOf, plainActor } from './actor.ts'
import type { Actor, Registry } from './registry.ts'
import { purgeManifest } from './remove-manifest.ts'
import { requireDeletes } from './require.ts'
import { trashPlace, trashUntil } from './trash-place.ts'
import { dropBytes } from './upload-session.ts'

/** Each manifest takes a handful of statements; a batch holds the writer for some 20 ms. */
const batchRows = 100

interface Burial {
  readonly repository: RepositoryName
  readonly actor: Actor
  readonly reason: TrashReason
  readonly now: number
  readonly trashUntil: number | undefined
  /** Of the row that the caller read; undefined: whatever it is now. */
  readonly expectedVersion: number | undefined
  /** That nothing in it is immutable. */
  readonly scan: ContentScan
}

/** Gives its id if it is to be emptied now; undefined: it is in the trash. */
async function buryIn(tx: Transactor, burial: Burial): Promise<number | undefined> {
  const { repository, actor, now } = burial
  const repositoryId = await repositoryIdIn(tx, repository)
  if (repositoryId === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
  if (burial.expectedVersion !== undefined && (await findRepositoryRow(tx, repository))?.version !== burial.expectedVersion)
    throw new RegistryError('PRECONDITION_FAILED')
  await requireUnchanged(tx, { kind: 'repository', name: repository }, burial.scan)
  await recordEvent(tx, { action: 'repository.deleted', repository, ...circumstancesOf(actor, now) })
  await repositoryLeft(tx, repositoryId)
  if (burial.trashUntil === undefined) {
    await buryRepository(tx, repositoryId)
    return repositoryId
  }
  await trashRepository(tx, repositoryId, { ...burial, trashUntil: burial.trashUntil })
  return undefined
}

async function trashRepository(tx: Transactor, repositoryId: number, burial: Burial & { readonly trashUntil: number }): Promise<void> {
  await insertTrash(tx, {
    kind: 'repository',
    ...(await trashPlace(tx, repositoryId)),
    manifestId: null,
    digest: undefined,
    tags: [],
    sizeBytes: await repositoryBytes(tx, [repositoryId]),
    reason: burial.reason,
    deletedBy: burial.actor.name,
    deletedAt: burial.now,
    expiresAt: burial.trashUntil,
  })
  await hideRepository(tx, repositoryId)
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

/** What runs of retention decided about it names its tags. One takes some microseconds. */
const decisionsMax = 2_000

/** True when there is nothing left to empty. */
const emptyBatch = transaction(import.meta.url, 'delete-repository/empty', async (tx, { repositoryId, now, safeUntil }: Batch) => {
  if ((await forgetDecisionsAbout(tx, { repositoryId, limit: decisionsMax })) > 0) return false
  const manifests = await someManifests(tx, repositoryId, batchRows)
  for (const manifest of manifests) await purgeManifest(tx, { repositoryId, ...manifest, actor: '', now, safeUntil })
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

/** Throws `NAME_UNKNOWN`, `PRECONDITION_FAILED` when it was changed since `expectedVersion`, `TAG_IMMUTABLE` when a rule keeps a tag of it. When it resolves the repository is in the trash; where there is none it is gone, and its blobs go with garbage collection. */
export async function deleteRepository(
  registry: Registry,
  repository: RepositoryName,
  actor: Actor,
  { expectedVersion }: { readonly expectedVersion?: number | undefined } = {},
): Promise<void> {
  requireDeletes(registry)
  const now = registry.context.ports.clock.now()
  const scan = await scanForImmutable(registry.metadata.reader, { kind: 'repository', name: repository })
  const isRedirectedTo = (await formerNames(registry.metadata.reader, 'repository', repository, 1)).length > 0
  const repositoryId = await registry.metadata.write(isRedirectedTo ? buryWithRedirects : bury, {
    repository,
    actor: plainActor(actor),
    reason: 'request',
    now,
    trashUntil: trashUntil(registry, now),
    expectedVersion,
    scan,
  })
  if (repositoryId !== undefined) await emptyRepository(registry, repositoryId)
}

/** Goes on with deletions that a crash interrupted, or that a purge of the trash began. */
export async function finishDeletions(registry: Registry, signal: AbortSignal): Promise<void> {
  for (;;) {
    const buried = await buriedRepositories(registry.metadata.reader, batchRows)
    if (buried.length === 0) return
    for (const repositoryId of buried) await emptyRepository(registry, repositoryId, signal)
  }
}

/** Empties one that was buried, batch by batch, and ends its row. What is interrupted goes on with {@link finishDeletions}. */
export async function emptyRepository(registry: Registry, repositoryId: number, signal?: AbortSignal): Promise<void> {
  for (let isEmpty = false; !isEmpty;) {
    signal?.throwIfAborted()
    const now = registry.context.ports.clock.now()
    isEmpty = await registry.metadata.write(emptyBatch, { repositoryId, now, safeUntil: now + registry.options.garbageDelayMs })
  }
  for (const { uploadId, store } of await registry.metadata.write(removeRow, { repositoryId })) {
    registry.memory.uploads.drop(uploadId)
    await dropBytes(registry, uploadId, store)
  }
}
