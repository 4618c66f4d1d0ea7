/**
 * One upload between the requests that write to it: its row, its bytes in the store, and the running hash, brought into agreement.
 *
 * The row's offset counts bytes that are durable. The store may hold more: what came before this process died. Then the offset moves up to them,
 * and their digest is unknown until somebody reads them again. It may hold less when the store lost them: then the offset moves back. Where it holds
 * no such upload at all, nothing is written: it may be elsewhere (a directory that was made anew), and come back.
 */
import type { Hash } from 'node:crypto'
import { storeOf } from '#blobs/stores.ts'
import { requireUploadsWithinQuota } from '#metadata/quota-check.ts'
import { transaction } from '#metadata/transaction.ts'
import { advanceUpload, deleteUpload, findUpload, type UploadAdvance, type UploadSession } from '#metadata/uploads.ts'
import { createDigestHash, digestOfHash, type Digest, type DigestAlgorithm } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { dropUnusedRepository } from './drop-unused-repository.ts'
import type { Actor, Registry } from './registry.ts'
import type { UploadClaim } from './upload-table.ts'

/** Which upload, and who says so. */
export interface UploadTarget {
  readonly repository: RepositoryName
  readonly uploadId: string
  readonly actor: Actor
}

/** An upload that nobody else of this process writes to. */
export interface OpenUpload {
  readonly session: UploadSession
  /** The running hash of the bytes so far; undefined where they must be read again. */
  readonly hash: Hash | undefined
  /** The digest of the bytes so far in the session's algorithm, where it is known without a running hash. */
  readonly digestSoFar: Digest | undefined
}

interface Move extends UploadAdvance {
  /** The upload's repository, where a limit of bytes may hold. */
  readonly limitedIn?: number
}

const advance = transaction(
  import.meta.url,
  'upload-session/advance',
  async (tx, input: Move) => {
    const { limitedIn, ...move } = input
    if (!(await advanceUpload(tx, move))) return false
    if (limitedIn !== undefined) await requireUploadsWithinQuota(tx, { repositoryId: limitedIn, sizeBytes: move.toBytes })
    return true
  },
  'read committed',
)

interface Removal {
  readonly uploadId: string
  readonly repositoryId: number
  /** Only if nothing happened since. */
  readonly unchangedSince?: number
}

/** Ends a session; the repository that was made for it goes too if nothing else ever came. */
export const removeSession = transaction(import.meta.url, 'upload-session/remove', async (tx, input: Removal) => {
  const removed = await deleteUpload(tx, input.uploadId, { unchangedSince: input.unchangedSince })
  if (removed) await dropUnusedRepository(tx, input.repositoryId)
  return removed
})

/** The session, if it is of this repository and was started by this actor: to everyone else it does not exist. */
export async function findSession(registry: Registry, target: UploadTarget): Promise<UploadSession | undefined> {
  const session = await findUpload(registry.metadata.reader, target.repository, target.uploadId)
  return session !== undefined && isOf(session, target.actor) ? session : undefined
}

/** By key where there is one: a name may be another person's by now. */
function isOf(session: UploadSession, { key, name }: Actor): boolean {
  return session.actorKey === '' ? session.actor === name : session.actorKey === key
}

/** A claim that holds among all processes; disposing gives it back. */
export interface SharedClaim extends AsyncDisposable {
  readonly claim: UploadClaim
  /** The row is gone, or says already that nobody holds it. */
  settled(): void
}

/** The claim on an upload; throws `BLOB_UPLOAD_BUSY`, or `BLOB_UPLOAD_UNKNOWN` to those whom it does not concern. */
export async function claimUpload(registry: Registry, target: UploadTarget): Promise<SharedClaim> {
  const { uploads, holds } = registry.memory
  const { uploadId } = target
  const claim = uploads.claim(uploadId)
  if (claim === undefined) {
    const session = await findSession(registry, target)
    throw new RegistryError(session === undefined ? 'BLOB_UPLOAD_UNKNOWN' : 'BLOB_UPLOAD_BUSY')
  }
  const shared = shareClaim(registry, uploadId, claim)
  if (holds === undefined) return shared
  try {
    // To those whom it does not concern it is not busy, it is not there.
    if ((await findSession(registry, target)) !== undefined) await holds.take(uploadId, claim)
    return shared
  } catch (error) {
    await shared[Symbol.asyncDispose]()
    throw error
  }
}

function shareClaim({ memory }: Registry, uploadId: string, claim: UploadClaim): SharedClaim {
  let isSettled = false
  return {
    claim,
    settled: () => {
      isSettled = true
      memory.holds?.forget(uploadId)
    },
    async [Symbol.asyncDispose]() {
      if (!isSettled) await memory.holds?.release(uploadId, claim)
      claim[Symbol.dispose]()
    },
  }
}

/** Brings row and store into agreement. The caller holds the claim. */
export async function resumeUpload(registry: Registry, session: UploadSession): Promise<OpenUpload> {
  const hash = registry.memory.uploads.take(session.uploadId, session.offsetBytes)
  if (hash !== undefined) return { session, hash, digestSoFar: session.digestSoFar }
  const found = await storeOf(registry.stores, session.store).statUpload(session.uploadId)
  if (found === undefined && session.offsetBytes > 0) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
  const durableBytes = found?.sizeBytes ?? 0
  const settled = durableBytes === session.offsetBytes ? session : await settle(registry, session, durableBytes)
  return { session: settled, hash: durableBytes === 0 ? createDigestHash(session.algorithm) : undefined, digestSoFar: settled.digestSoFar }
}

async function settle(registry: Registry, session: UploadSession, durableBytes: number): Promise<UploadSession> {
  const now = registry.context.ports.clock.now()
  const digestSoFar = durableBytes === 0 ? digestOfHash(session.algorithm, createDigestHash(session.algorithm)) : undefined
  const { uploadId, fence } = session
  await moveOffset(registry, { uploadId, fromBytes: session.offsetBytes, toBytes: durableBytes, digestSoFar, now, fence })
  registry.context.log.info(
    { uploadId: session.uploadId, rowBytes: session.offsetBytes, durableBytes },
    'upload resumed from its durable bytes',
  )
  return { ...session, offsetBytes: durableBytes, digestSoFar, updatedAt: now }
}

/** Moves the row's offset; throws when the row went or moved under us, for then another process has the upload. */
export async function moveOffset(registry: Registry, input: Move): Promise<void> {
  if (!(await registry.metadata.write(advance, input))) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
}

/** Ends the upload: bytes first, for on a full disk their room is what lets the row go. A row without bytes is an upload at its beginning. */
export async function discardUpload(
  registry: Registry,
  session: Pick<UploadSession, 'uploadId' | 'repositoryId' | 'store'>,
): Promise<void> {
  registry.memory.uploads.drop(session.uploadId)
  await dropBytes(registry, session.uploadId, session.store)
  await registry.metadata.write(removeSession, { uploadId: session.uploadId, repositoryId: session.repositoryId })
}

/** Removes an upload's bytes; what fails is left to the janitor. */
export async function dropBytes(registry: Registry, uploadId: string, store: string = registry.store.name): Promise<void> {
  try {
    await storeOf(registry.stores, store).abortUpload(uploadId)
  } catch (error) {
    registry.context.log.warn({ err: error, uploadId }, 'upload could not be removed from the store')
  }
}

/** Reads the upload's bytes again for their hash, chunk by chunk; throws `UNAVAILABLE` when they are not all there. */
export async function rehash(
  registry: Registry,
  session: UploadSession,
  input: { algorithm: DigestAlgorithm; sizeBytes: number; signal: AbortSignal },
): Promise<Hash> {
  const hash = createDigestHash(input.algorithm)
  if (input.sizeBytes === 0) return hash
  let seen = 0
  for await (const chunk of storeOf(registry.stores, session.store).readUpload(session.uploadId, input.signal)) {
    hash.update(chunk)
    seen += chunk.length
  }
  if (seen === input.sizeBytes) return hash
  throw new RegistryError('UNAVAILABLE', undefined, { cause: new Error(`upload has ${seen} bytes where ${input.sizeBytes} are expected`) })
}
