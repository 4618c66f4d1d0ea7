/**
 * The last step of every blob push: proven bytes get their key, and one transaction makes them a blob of the repository.
 *
 * The problem: between the two a crash must leave no bytes that nobody knows, and many pushes of one blob may arrive here at once. The way: the
 * key is noted in `blob_deletions` before it is used, and the transaction that makes it a blob takes the note back; whatever dies in
 * between, garbage collection finds the note. The first push to commit wins; the others link to its bytes and drop their own.
 *
 * In an object store the bytes of an upload have one key, and all attempts to commit it end there. So the note of a later attempt takes the place of an
 * earlier one, whose time may have come already; and what an attempt leaves goes by its note alone, in a transaction, never at once.
 */
import { isUploadKey, type BlobKey } from '#blobs/blob-store.ts'
import { storeOf } from '#blobs/stores.ts'
import { extendLease, findBlobRow, findLiveBlob, insertBlob, isWaitedFor, linkBlob, linkNewBlob, type BlobPlace } from '#metadata/blobs.ts'
import { cancelDeletion, deleteDeletions, keyInUse, releaseDeletion, scheduleDeletion, type KeyDeletion } from '#metadata/blob-deletions.ts'
import { reviewLink } from '#metadata/garbage.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { lockBlob, lockReferences } from '#metadata/push-locks.ts'
import { resolveFindingsAt } from '#metadata/scrub-findings.ts'
import { together } from '#metadata/together.ts'
import { transaction } from '#metadata/transaction.ts'
import { deleteUpload } from '#metadata/uploads.ts'
import { blobEntered, blobResized, countIn } from '#metadata/usage.ts'
import { placeOfName, type UsagePlace } from '#metadata/usage-place.ts'
import { digestToBytes, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { quotaFactsOf } from '#oci/quota-exceeded.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { ensurePlace } from './ensure-repository.ts'
import { plainActor } from './actor.ts'
import type { Actor, Registry } from './registry.ts'
import { dropBytes } from './upload-session.ts'

/** How long the note of a push lasts that may have died: a push that takes longer gets another one. */
export const keyOutlivesRowMs = 60 * 60 * 1_000

/** Proven bytes of an upload, all durable. */
export interface ProvenUpload {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly sizeBytes: number
  readonly uploadId: string
  readonly actor: Actor
  /** Of the hold on its session, where several processes may have it. */
  readonly fence?: number | undefined
  /** Where its session began; the primary store unless said. */
  readonly store?: string | undefined
}

/** A key noted for this upload; `noted` resolves to the id of the note. */
export interface ReservedKey {
  readonly store: string
  readonly key: BlobKey
  readonly noted: Promise<number>
  /** By the monotonic clock, in milliseconds. */
  readonly notedAt: number
  /** Whether there may be bytes at the key. */
  hasBytes: boolean
  isReleased: boolean
}

interface BlobPush extends ProvenUpload {
  readonly now: number
  readonly leaseUntil: number
}

const noteKey = transaction(
  import.meta.url,
  'publish-blob/note-key',
  async (tx, input: KeyDeletion) => {
    // Of an attempt before this one. Where a collection is at it, nobody knows whether its delete comes before or after these bytes.
    if (isUploadKey(input.key) && !(await supersedeDeletions(tx, input.store, input.key))) throw new RegistryError('UNAVAILABLE')
    return scheduleDeletion(tx, { ...input, isPush: true })
  },
  'read committed',
)

/** Takes back all notes of the key; false when a collection took one. */
async function supersedeDeletions(tx: Transactor, store: string, key: string): Promise<boolean> {
  const notes = await tx.selectFrom('blob_deletions').select('id').where('store', '=', store).where('key', '=', key).execute()
  for (const { id } of notes) if (!(await cancelDeletion(tx, id))) return false
  return true
}

interface Release {
  readonly noteId: number
  readonly hasBytes: boolean
  readonly now: number
}

const releaseNote = transaction(
  import.meta.url,
  'publish-blob/release-note',
  async (tx, { noteId, hasBytes, now }: Release) => {
    if (hasBytes) await releaseDeletion(tx, { noteId, now })
    else await deleteDeletions(tx, [noteId])
  },
  'read committed',
)

/** Links the repository to the live blob at `key`; false when it is no longer there. */
const linkToExisting = transaction(
  import.meta.url,
  'publish-blob/link-to-existing',
  async (tx, input: BlobPush & { readonly key: string }) => {
    const { repository, digest } = input
    const [, , blob] = await together(
      lockReferences(tx, repository, 'beside'),
      lockBlob(tx, digestToBytes(digest)),
      findLiveBlob(tx, digest),
    )
    if (blob?.key !== input.key) return false
    await finish(tx, blob.blobId, input)
    return true
  },
  'read committed',
)

interface Commit extends BlobPush {
  readonly store: string
  readonly key: string
  readonly noteId: number
  /** A live row at this key was found without its bytes. */
  readonly suspectKey: string | undefined
  /** Bytes that are replaced stay until then, for who is reading them. */
  readonly readersUntil: number
}

/** Makes the bytes at `key` the blob's; `'exists'` when another push was first, whose bytes serve both. */
const commitBlob = transaction(
  import.meta.url,
  'publish-blob/commit',
  async (tx, input: Commit): Promise<'stored' | 'exists'> => {
    const { repository, digest } = input
    const [, , existing, found, isWaited] = await together(
      lockReferences(tx, repository, 'beside'),
      lockBlob(tx, digestToBytes(digest)),
      findBlobRow(tx, digest),
      placeOfName(tx, repository),
      isWaitedFor(tx, repository, digest),
    )
    if (existing === undefined) {
      const [, blobId] = await together(requireNote(tx, input), insertBlob(tx, input), endUpload(tx, input))
      await enterBlob(tx, { blobId, isWaited, place: await placeFor(tx, input, found) }, input)
      return 'stored'
    }
    await requireNote(tx, input)
    if (existing.state === 'live' && existing.key !== input.suspectKey) {
      const isSame = existing.store === input.store && existing.key === input.key
      if (!isSame) await scheduleDeletion(tx, { store: input.store, key: input.key, sizeBytes: input.sizeBytes, deleteAfter: input.now })
      await finish(tx, existing.id, input)
      return isSame ? 'stored' : 'exists'
    }
    const place = { store: input.store, key: input.key, size_bytes: input.sizeBytes }
    await tx
      .updateTable('blobs')
      .set({ ...place, state: 'live' })
      .where('id', '=', existing.id)
      .execute()
    await blobResized(tx, existing.id, input.sizeBytes - existing.size_bytes)
    await resolveFindingsAt(tx, existing, input.now)
    if (!(await keyInUse(tx, existing.store, existing.key))) {
      const { store, key, size_bytes: sizeBytes } = existing
      await scheduleDeletion(tx, { store, key, sizeBytes, deleteAfter: input.readersUntil })
    }
    await finish(tx, existing.id, input)
    return 'stored'
  },
  'read committed',
)

/** The note is gone only when the commit took longer than keyOutlivesRowMs: the bytes may be gone as well. */
async function requireNote(tx: Transactor, { noteId }: Commit): Promise<void> {
  if (!(await cancelDeletion(tx, noteId))) throw new RegistryError('UNAVAILABLE')
}

/** Where the repository counts; it may have moved while the push was under way. */
async function placeFor(tx: Transactor, push: BlobPush, found: UsagePlace | undefined): Promise<UsagePlace> {
  const place = await ensurePlace(tx, push, found)
  if (place.repository !== push.repository) await lockReferences(tx, place.repository, 'beside')
  return place
}

interface Entering {
  readonly blobId: number
  readonly place: UsagePlace
  /** Whether a manifest of the repository that was pushed to waits for it. */
  readonly isWaited: boolean
}

/** Links a blob whose row was made just now, and counts it. */
async function enterBlob(tx: Transactor, { blobId, place, isWaited }: Entering, push: BlobPush): Promise<void> {
  const { repositoryId } = place
  const { digest, sizeBytes, now, leaseUntil } = push
  if (isWaited || place.repository !== push.repository) {
    await blobEntered(tx, sizeBytes)
    await linkBlob(tx, { repositoryId, blobId, digest, sizeBytes, now })
    await reviewLink(tx, { repositoryId, blobId, reviewAfter: leaseUntil })
    return
  }
  await linkNewBlob(tx, { repositoryId, blobId, now })
  await reviewLink(tx, { repositoryId, blobId, reviewAfter: leaseUntil })
  await countIn(tx, place, { common: {}, blobs: [{ blobId, sizeBytes }], areNew: true, system: { bytes: sizeBytes, blobs: 1 } })
}

async function finish(tx: Transactor, blobId: number, push: BlobPush): Promise<void> {
  const { repositoryId } = await placeFor(tx, push, await placeOfName(tx, push.repository))
  await together(extendLease(tx, blobId, push.leaseUntil), endUpload(tx, push))
  await linkBlob(tx, { repositoryId, blobId, digest: push.digest, sizeBytes: push.sizeBytes, now: push.now })
  await reviewLink(tx, { repositoryId, blobId, reviewAfter: push.leaseUntil })
}

async function endUpload(tx: Transactor, push: BlobPush): Promise<void> {
  const isEnded = await deleteUpload(tx, push.uploadId, { fence: push.fence })
  // Somebody else took it meanwhile, or ended it.
  if (!isEnded && push.fence !== undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
}

/** Notes a key for the digest. Starts at once, so that the note's commit and the body's sync wait for the disk together. */
export function reserveKey(
  registry: Registry,
  { uploadId, digest, sizeBytes, store = registry.store.name }: Pick<ProvenUpload, 'uploadId' | 'digest' | 'sizeBytes' | 'store'>,
): ReservedKey {
  const { ports } = registry.context
  const key = storeOf(registry.stores, store).keyFor(uploadId, digest, ports.random)
  const deleteAfter = ports.clock.now() + keyOutlivesRowMs
  const noted = registry.metadata.write(noteKey, { store, key, sizeBytes, deleteAfter })
  // Who fails before it is asked for must not leave a rejection that nobody handles.
  noted.catch(() => undefined)
  return { store, key, noted, notedAt: ports.clock.monotonic(), hasBytes: false, isReleased: false }
}

/** After a push that came to nothing: what it may have stored at its key is due now, for nobody can have seen it. */
export async function releaseKey(registry: Registry, reserved: ReservedKey | undefined): Promise<void> {
  if (reserved === undefined || reserved.isReleased) return
  reserved.isReleased = true
  const { hasBytes } = reserved
  try {
    await registry.metadata.write(releaseNote, { noteId: await reserved.noted, hasBytes, now: registry.context.ports.clock.now() })
  } catch (error) {
    registry.context.log.warn({ err: error, key: reserved.key }, 'the note of a failed push goes when its time is over')
  }
}

/** Gives the upload's bytes to the repository as a blob. Afterwards the upload is gone. */
export async function publishBlob(registry: Registry, upload: ProvenUpload, reserved?: ReservedKey): Promise<void> {
  const existing = await findLiveBlob(registry.metadata.reader, upload.digest)
  const isLinked = existing !== undefined && (await linkedOrRefused(registry, upload, existing))
  const isKept = !isLinked && isFresh(registry, reserved)
  if (!isKept) await releaseKey(registry, reserved)
  if (isLinked) return dropBytes(registry, upload.uploadId, upload.store)
  const key = isKept ? reserved : reserveKey(registry, upload)
  try {
    await commit(registry, upload, { reserved: key, suspectKey: existing?.key })
  } catch (error) {
    await releaseKey(registry, key)
    throw error
  }
}

/** A body may take longer than its note lasts; the bytes then go to a key that is noted now, and the old note comes to nothing. */
function isFresh({ context }: Registry, reserved: ReservedKey | undefined): reserved is ReservedKey {
  return reserved !== undefined && context.ports.clock.monotonic() - reserved.notedAt < keyOutlivesRowMs / 2
}

/** {@link linkIfWhole}; who is refused for a quota leaves no bytes. */
async function linkedOrRefused(registry: Registry, upload: ProvenUpload, existing: BlobPlace): Promise<boolean> {
  try {
    return await linkIfWhole(registry, upload, existing)
  } catch (error) {
    if (quotaFactsOf(error) !== undefined) await dropBytes(registry, upload.uploadId, upload.store)
    throw error
  }
}

/** Links the repository to bytes that are here already. False when the store does not have them whole, or they went meanwhile. */
export async function linkIfWhole(registry: Registry, upload: ProvenUpload, existing: BlobPlace): Promise<boolean> {
  const store = storeOf(registry.stores, existing.store)
  const found = await store.stat(existing.key as BlobKey)
  if (found?.sizeBytes !== upload.sizeBytes) return false
  // A file may be there and its directory another's by now; and no byte is written, so the store is not asked by itself.
  await store.requireThere()
  const linked = await registry.metadata.write(linkToExisting, { ...pushOf(registry, upload), key: existing.key })
  registry.memory.quotas.changed(upload.repository)
  return linked
}

/** Bytes with a key of their own that no row has yet, and the note by which they go when none gets it. */
export interface CopiedBytes {
  readonly store: string
  readonly key: BlobKey
  readonly noteId: number
}

/** Gives durable, proven bytes of an upload a key in their store, for whoever makes them a blob's. The upload is gone afterwards. */
export async function publishCopy(
  registry: Registry,
  copy: Pick<ProvenUpload, 'uploadId' | 'digest' | 'sizeBytes'> & { readonly store: string },
): Promise<CopiedBytes> {
  const reserved = reserveKey(registry, copy)
  const { store, key } = reserved
  try {
    const noteId = await reserved.noted
    reserved.hasBytes = true
    await storeOf(registry.stores, store).commitUpload(copy.uploadId, key)
    return { store, key, noteId }
  } catch (error) {
    await releaseKey(registry, reserved)
    throw error
  }
}

async function commit(
  registry: Registry,
  upload: ProvenUpload,
  { reserved, suspectKey }: { readonly reserved: ReservedKey; readonly suspectKey: string | undefined },
): Promise<void> {
  const { key, store } = reserved
  const noteId = await reserved.noted
  const push = pushOf(registry, upload)
  const readersUntil = push.now + registry.options.readersDelayMs
  reserved.hasBytes = true
  await storeOf(registry.stores, store).commitUpload(upload.uploadId, key)
  const outcome = await registry.metadata
    .write(commitBlob, { ...push, store, key, noteId, suspectKey, readersUntil })
    .catch(async (error: unknown) => {
      reserved.hasBytes = !(await removeUnused(registry, reserved))
      throw error
    })
  registry.memory.quotas.changed(upload.repository)
  if (outcome === 'exists') await removeBytes(registry, reserved)
}

function pushOf(registry: Registry, upload: ProvenUpload): BlobPush {
  const { repository, digest, sizeBytes, uploadId, fence } = upload
  const now = registry.context.ports.clock.now()
  return {
    repository,
    digest,
    sizeBytes,
    uploadId,
    ...(fence !== undefined && { fence }),
    actor: plainActor(upload.actor),
    now,
    leaseUntil: now + registry.options.garbageDelayMs,
  }
}

/** After a failed commit: unless the database took it all the same. The note stays where this fails, so it is only late. */
async function removeUnused(registry: Registry, { store, key }: ReservedKey): Promise<boolean> {
  if (isUploadKey(key)) return false
  try {
    if (await keyInUse(registry.metadata.reader, store, key)) return false
    await storeOf(registry.stores, store).delete([key])
    return true
  } catch (error) {
    registry.context.log.warn({ err: error, key }, 'bytes of a failed push wait for garbage collection')
    return false
  }
}

async function removeBytes(registry: Registry, { store, key }: ReservedKey): Promise<void> {
  try {
    await storeOf(registry.stores, store).delete([key])
  } catch (error) {
    registry.context.log.warn({ err: error, key }, 'bytes of a blob that was pushed twice wait for garbage collection')
  }
}
