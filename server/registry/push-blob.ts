/**
 * Pushing a blob: in one request, or as an upload session of many (distribution-spec "Pushing blobs").
 *
 * A session is a row; its bytes are the store's; this process remembers the running hash and nothing else. Every request leaves the row at
 * bytes that are durable, so the next one may come to another process, or after a crash. Bytes become a blob in publish-blob.ts.
 */
import { storeOf } from '#blobs/stores.ts'
import { findLiveBlob } from '#metadata/blobs.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { lockUploadsOf } from '#metadata/push-locks.ts'
import { isHasty } from '#metadata/together.ts'
import { transaction } from '#metadata/transaction.ts'
import { failAboveUploads, hasUploads, insertUpload, type UploadSession } from '#metadata/uploads.ts'
import { createDigestHash, digestAlgorithm, digestOfHash, type Digest, type DigestAlgorithm } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { quotaFactsOf } from '#oci/quota-exceeded.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { ensureRepository } from './ensure-repository.ts'
import { linkIfWhole, publishBlob, releaseKey, reserveKey } from './publish-blob.ts'
import { statBlob } from './pull-blob.ts'
import { checkRange, receiveBody, saveProgress, type Received, type UploadBody } from './receive-body.ts'
import { bufferSmall, streamUpload, writeUpload, type WholeBody } from './receive-whole.ts'
import { plainActor } from './actor.ts'
import type { Actor, Registry } from './registry.ts'
import { requireSpace, requireWritable } from './require.ts'
import type { UploadRoom } from './upload-room.ts'
import {
  claimUpload,
  discardUpload,
  findSession,
  rehash,
  resumeUpload,
  type OpenUpload,
  type SharedClaim,
  type UploadTarget,
} from './upload-session.ts'

/** Where an upload stands. */
export interface UploadStatus {
  readonly uploadId: string
  /** Durable bytes; the next one is expected at this offset. */
  readonly offsetBytes: number
  readonly startedAt: number
}

interface NewUpload {
  readonly repository: RepositoryName
  readonly uploadId: string
  readonly actor: Actor
  readonly algorithm: DigestAlgorithm
  readonly store: string
  readonly now: number
  readonly uploadsPerActor: number
}

const insertSession = transaction(
  import.meta.url,
  'push-blob/start',
  async (tx, input: NewUpload) => {
    const owner = { name: input.actor.name, key: input.actor.key ?? '' }
    if (!isHasty(tx)) await requireUploads(tx, owner, input.uploadsPerActor)
    const { uploadId, algorithm, store, now } = input
    const repositoryId = await ensureRepository(tx, input)
    const digestOfNothing = digestOfHash(algorithm, createDigestHash(algorithm))
    await insertUpload(tx, { uploadId, repositoryId, actor: owner.name, actorKey: owner.key, algorithm, digestOfNothing, store, now })
    if (isHasty(tx)) await failAboveUploads(tx, owner, input.uploadsPerActor)
  },
  'read committed',
)

async function requireUploads(tx: Transactor, owner: { readonly name: string; readonly key: string }, limit: number): Promise<void> {
  await lockUploadsOf(tx, owner)
  if (!(await hasUploads(tx, owner, limit))) return
  const message = 'too many open uploads: finish or cancel some'
  throw new RegistryError('TOOMANYREQUESTS', { uploads: limit }, { message, retryAfterSeconds: 60 })
}

/** end-4a, end-4c: opens an upload session; the algorithm is the one that the closing digest will most likely have. */
export async function startUpload(
  registry: Registry,
  repository: RepositoryName,
  actor: Actor,
  options: { readonly algorithm?: DigestAlgorithm | undefined } = {},
): Promise<UploadStatus> {
  requireWritable(registry)
  await requireSpace(registry)
  await registry.store.requireThere()
  using room = await registry.memory.quotas.roomFor(repository)
  room?.requireAny()
  const { ports } = registry.context
  const { uploadsPerActor } = registry.options
  const algorithm = options.algorithm ?? 'sha256'
  const uploadId = ports.random.uuid()
  const now = ports.clock.now()
  const row = { repository, uploadId, actor: plainActor(actor), algorithm, store: registry.store.name, now, uploadsPerActor }
  await registry.metadata.write(insertSession, row)
  registry.memory.uploads.keep(uploadId, createDigestHash(algorithm), 0)
  return { uploadId, offsetBytes: 0, startedAt: now }
}

/** end-5: appends a chunk. What came of a body that was cut stays, durable and resumable. */
export async function appendUpload(
  registry: Registry,
  target: UploadTarget,
  body: AsyncIterable<Uint8Array>,
  input: Omit<UploadBody, 'body'>,
): Promise<UploadStatus> {
  requireWritable(registry)
  await using shared = await claimUpload(registry, target)
  const upload = await resumeUpload(registry, await requireHeld(registry, target, shared))
  checkRange(registry, upload, input)
  using room = await registry.memory.quotas.roomFor(target.repository, { storedBytes: upload.session.offsetBytes })
  await requireRoom(registry, upload, { room, contentLength: input.contentLength })
  const received = await receiveBody(registry, upload, { ...input, body, shared, room })
  await saveProgress(registry, upload, { ...received, room, shared })
  return statusOf({ ...upload.session, offsetBytes: received.offsetBytes })
}

/** end-13: where to go on. */
export async function statUpload(registry: Registry, target: UploadTarget): Promise<UploadStatus> {
  const session = await requireSession(registry, target)
  const { uploads } = registry.memory
  if (uploads.knows(target.uploadId, session.offsetBytes)) return statusOf(session)
  // Somebody writes to it: the row tells what was durable when they began.
  await using shared = await claimUnlessBusy(registry, target)
  if (shared === undefined) return statusOf(session)
  const upload = await resumeUpload(registry, await requireHeld(registry, target, shared))
  if (upload.hash !== undefined) uploads.keep(target.uploadId, upload.hash, upload.session.offsetBytes)
  return statusOf(upload.session)
}

/** end-14: its sender ends the upload, and its bytes are forgotten. Administrators end one by cancel-upload.ts. */
export async function abandonUpload(registry: Registry, target: UploadTarget): Promise<void> {
  requireWritable(registry)
  await using _shared = await claimUpload(registry, target)
  const session = await requireSession(registry, target)
  // What is to be forgotten would stay in it.
  await storeOf(registry.stores, session.store).requireThere()
  await discardUpload(registry, session)
}

/** end-6: takes the last chunk, proves the digest, and makes the bytes a blob. A wrong digest ends the upload. */
export async function finishUpload(
  registry: Registry,
  target: UploadTarget,
  input: UploadBody & { readonly digest: Digest },
): Promise<void> {
  requireWritable(registry)
  await using shared = await claimUpload(registry, target)
  const session = await findSession(registry, target)
  if (session === undefined) return acceptReplay(registry, target, input.digest)
  requireFence(session, shared)
  const upload = await resumeUpload(registry, session)
  checkRange(registry, upload, input)
  const { digest } = input
  const { store } = session
  using room = await registry.memory.quotas.roomFor(target.repository, { digest, storedBytes: upload.session.offsetBytes })
  await requireRoom(registry, upload, { room, contentLength: input.contentLength })
  // Where the blob is not here yet, which is nearly always, its key is noted while the body still comes.
  const isHere = (await findLiveBlob(registry.metadata.reader, input.digest)) !== undefined
  const reserved = isHere
    ? undefined
    : reserveKey(registry, { ...target, digest, sizeBytes: upload.session.offsetBytes + (input.contentLength ?? 0), store })
  try {
    const received = await receiveBody(registry, upload, { ...input, shared, room })
    if ((await digestOfUpload(registry, upload, { ...input, received })) !== input.digest) {
      await discardUpload(registry, session)
      throw new RegistryError('DIGEST_INVALID', { digest: input.digest })
    }
    shared.claim.stopped.throwIfAborted()
    const { repository, actor, uploadId } = target
    // Without a byte there was no writer, and nothing to give a key to.
    if (received.offsetBytes === 0) await writeUpload(registry, { uploadId, store }, new Uint8Array(0))
    const proven = { repository, digest: input.digest, sizeBytes: received.offsetBytes, uploadId, actor, store, fence: shared.claim.fence }
    room?.settle()
    await publishBlob(registry, proven, reserved)
    shared.settled()
  } catch (error) {
    await releaseKey(registry, reserved)
    // It will not fit when it is sent again either, and its bytes may be gone.
    if (quotaFactsOf(error) !== undefined) await discardUpload(registry, session)
    throw error
  }
}

/** Throws DENIED, and ends the upload, when what is announced does not fit a quota. */
async function requireRoom(
  registry: Registry,
  { session }: OpenUpload,
  { room, contentLength = 0 }: { readonly room: UploadRoom | undefined; readonly contentLength: number | undefined },
): Promise<void> {
  try {
    room?.require(session.offsetBytes + contentLength)
  } catch (error) {
    await discardUpload(registry, session)
    throw error
  }
}

/** end-4b: the whole blob in the body of one request; no session. */
export async function pushWholeBlob(registry: Registry, repository: RepositoryName, actor: Actor, input: WholeBody): Promise<void> {
  requireWritable(registry)
  await requireSpace(registry)
  const { digest, contentLength = 0 } = input
  await registry.memory.quotas.requireRepository(repository)
  using room = await registry.memory.quotas.roomFor(repository, { digest })
  room?.require(contentLength)
  const uploadId = registry.context.ports.random.uuid()
  const existing = await findLiveBlob(registry.metadata.reader, digest)
  const reserved = existing === undefined ? reserveKey(registry, { uploadId, digest, sizeBytes: contentLength }) : undefined
  try {
    const bytes = await bufferSmall(input)
    if (bytes === undefined) {
      const sizeBytes = await streamUpload(registry, uploadId, { ...input, room })
      room?.settle()
      return await publishBlob(registry, { repository, digest, sizeBytes, uploadId, actor }, reserved)
    }
    const upload = { repository, digest, sizeBytes: bytes.length, uploadId, actor }
    if (existing !== undefined && (await linkIfWhole(registry, upload, existing))) return
    await room?.take(bytes.length)
    await writeUpload(registry, { uploadId }, bytes)
    room?.settle()
    await publishBlob(registry, upload, reserved)
  } catch (error) {
    await releaseKey(registry, reserved)
    throw error
  }
}

/** A client that did not hear the answer to its closing PUT sends it again. */
async function acceptReplay(registry: Registry, target: UploadTarget, digest: Digest): Promise<void> {
  try {
    await statBlob(registry, target.repository, digest, target.actor)
  } catch (cause) {
    if (!(cause instanceof RegistryError) || cause.status !== 404) throw cause
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN', undefined, { cause })
  }
}

async function digestOfUpload(
  registry: Registry,
  { session, digestSoFar }: OpenUpload,
  input: { readonly received: Received; readonly digest: Digest; readonly signal: AbortSignal },
): Promise<Digest> {
  const algorithm = digestAlgorithm(input.digest)
  const { hash, offsetBytes } = input.received
  if (algorithm === session.algorithm) {
    if (hash !== undefined) return digestOfHash(algorithm, hash)
    if (digestSoFar !== undefined && offsetBytes === session.offsetBytes) return digestSoFar
  }
  return digestOfHash(algorithm, await rehash(registry, session, { algorithm, sizeBytes: offsetBytes, signal: input.signal }))
}

/** The session under the fence of this claim: whoever took the upload since has it now. */
async function requireHeld(registry: Registry, target: UploadTarget, shared: SharedClaim): Promise<UploadSession> {
  const session = await requireSession(registry, target)
  requireFence(session, shared)
  return session
}

function requireFence({ fence }: UploadSession, { claim }: SharedClaim): void {
  if (claim.fence !== undefined && claim.fence !== fence) throw new RegistryError('BLOB_UPLOAD_BUSY')
}

async function claimUnlessBusy(registry: Registry, target: UploadTarget): Promise<SharedClaim | undefined> {
  try {
    return await claimUpload(registry, target)
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'BLOB_UPLOAD_BUSY') return undefined
    throw error
  }
}

async function requireSession(registry: Registry, target: UploadTarget): Promise<UploadSession> {
  const session = await findSession(registry, target)
  if (session === undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
  return session
}

function statusOf({ uploadId, offsetBytes, startedAt }: UploadSession): UploadStatus {
  return { uploadId, offsetBytes, startedAt }
}
