/** The rows of blobs against the store: is there a file of that size, and do its bytes hash to the digest. */
import type { BlobKey } from '#blobs/blob-store.ts'
import { storeOf } from '#blobs/stores.ts'
import { systemCode } from '#blobs/storage-error.ts'
import { isStoreLost } from '#blobs/store-mark.ts'
import { FinalFailure } from '#jobs/final-failure.ts'
import { blobsAfter, type StoredBlob } from '#metadata/blobs.ts'
import type { Finding } from '#metadata/scrub-findings.ts'
import { RegistryError } from '#oci/errors.ts'
import { findFault } from '#registry/find-fault.ts'
import { findingOfBlob, findingOfDamage, quarantineBlob, releaseBlob, type QuarantineReason } from '#registry/quarantine-blob.ts'
import { advance, keep, type Pass, type ScrubWindow } from './scrub-pass.ts'

const pageRows = 100
/** So many blobs one after the other that cannot be looked at speak against the machine, not against them. */
const failuresMax = 20

const notMounted = 'the store is not there, so no blob is judged: is its disk mounted? See berth doctor'

/** Goes over all blobs. Throws when a store is not there at all: a disk that is not mounted is no reason to give up what is on it. */
export async function scrubBlobs(pass: Pass): Promise<void> {
  const { metadata } = pass.registry
  let failures = 0
  for (;;) {
    const page = await blobsAfter(metadata.reader, { afterId: pass.cursor.afterId, limit: pageRows })
    for (const blob of page) {
      pass.run.signal.throwIfAborted()
      const fault = await faultOf(pass, blob)
      failures = typeof fault === 'object' ? failures + 1 : 0
      if (typeof fault === 'object' && failures > failuresMax) throw fault.error
      const findings = await judge(pass, blob, fault)
      advance(pass, { afterId: blob.blobId }, { blobs: 1 })
      await keep(pass, findings)
    }
    if (page.length < pageRows) return
    await pass.rest()
  }
}

/** The bytes could not be looked at, for a reason that says nothing of them. */
interface Failure {
  readonly error: RegistryError
}

async function faultOf(pass: Pass, blob: StoredBlob): Promise<QuarantineReason | Failure | undefined> {
  const { signal } = pass.run
  try {
    const store = storeOf(pass.registry.stores, blob.store)
    if (blob.isQuarantined || isWithin(pass.cursor.window, blob.blobId)) {
      const onPiece = async (piece: Uint8Array) => {
        advance(pass, {}, { bytes: piece.length })
        await pass.pace(piece.length)
      }
      return await findFault(store, blob, { signal, onPiece })
    }
    const found = await store.stat(blob.key as BlobKey)
    if (found === undefined) return 'missing'
    return found.sizeBytes === blob.sizeBytes ? undefined : 'wrong size'
  } catch (error) {
    if (isStoreLost(error)) throw new FinalFailure(notMounted, { cause: error })
    if (signal.aborted || !(error instanceof RegistryError)) throw error
    return { error }
  }
}

/** Spread by a constant that no run of ids is a multiple of, so that what was pushed together is not read together. */
function isWithin({ from, width }: ScrubWindow, blobId: number): boolean {
  const place = Math.imul(blobId, 0x9e3779b1) >>> 0
  return ((place % 100) - from + 100) % 100 < width
}

async function judge(pass: Pass, blob: StoredBlob, fault: QuarantineReason | Failure | undefined): Promise<Finding[]> {
  const { reader } = pass.registry.metadata
  if (fault === undefined) {
    if (blob.isQuarantined && (await releaseBlob(pass.registry, blob))) advance(pass, {}, { released: 1 })
    return []
  }
  if (typeof fault === 'object') {
    const code = systemCode(fault.error.cause) ?? fault.error.code
    const then = blob.isQuarantined ? 'it stays in quarantine' : 'it is served as before'
    return [await findingOfBlob(reader, blob, { kind: 'damaged', what: `cannot be looked at (${code}); ${then}` })]
  }
  if (fault === 'missing') await requireStore(pass, blob)
  if (!blob.isQuarantined) {
    // Not ours to judge any more when it was replaced meanwhile.
    if (!(await quarantineBlob(pass.registry, blob, fault))) return []
    advance(pass, {}, { quarantined: 1 })
  } else if (!(await isAsItWas(pass, blob))) return []
  return [await findingOfDamage(reader, blob, fault)]
}

/** A push may have healed it while its old bytes were read. */
async function isAsItWas({ registry }: Pass, { blobId, key, isQuarantined }: StoredBlob): Promise<boolean> {
  const [row] = await blobsAfter(registry.metadata.reader, { afterId: blobId - 1, limit: 1 })
  return row?.blobId === blobId && row.key === key && row.isQuarantined === isQuarantined
}

/** Throws when the store has no bytes at all. */
async function requireStore({ registry }: Pass, blob: StoredBlob): Promise<void> {
  const { keys, next } = await storeOf(registry.stores, blob.store).list({ limit: 100 })
  if (keys.length > 0 || next !== undefined) return
  throw new FinalFailure(
    'the store holds not one blob, so none is judged: is its disk mounted? If all is lost, push something, and scrub again: what is missing heals by pushes',
  )
}
