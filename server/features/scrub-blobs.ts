/** The rows of blobs against the store: is there a file of that size, and do its bytes hash to the digest. */
import type { BlobKey } from '#blobs/blob-store.ts'
import { systemCode } from '#blobs/storage-error.ts'
import { blobsAfter, type StoredBlob } from '#metadata/blobs.ts'
import type { Finding } from '#metadata/scrub-findings.ts'
import { neededBy } from '#metadata/scrub-reads.ts'
import { RegistryError } from '#oci/errors.ts'
import { findFault } from '#registry/find-fault.ts'
import { quarantineBlob, releaseBlob, type QuarantineReason } from '#registry/quarantine-blob.ts'
import { advance, keep, type Pass, type ScrubWindow } from './scrub-pass.ts'

const pageRows = 100
/** Manifests that a finding names. */
const namedManifests = 3
/** So many blobs one after the other that cannot be looked at speak against the machine, not against them. */
const failuresMax = 20

/** Goes over all blobs of the store. Throws when the store is not there at all: a disk that is not mounted is no reason to give up what is on it. */
export async function scrubBlobs(pass: Pass): Promise<void> {
  const { metadata, store } = pass.registry
  let failures = 0
  for (;;) {
    const page = await blobsAfter(metadata.reader, store.name, { afterId: pass.cursor.afterId, limit: pageRows })
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
  const { store } = pass.registry
  const { signal } = pass.run
  try {
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
  if (fault === undefined) {
    if (blob.isQuarantined && (await releaseBlob(pass.registry, blob))) advance(pass, {}, { released: 1 })
    return []
  }
  if (typeof fault === 'object') {
    const code = systemCode(fault.error.cause) ?? fault.error.code
    return [await findingOf(pass, blob, { kind: 'damaged', what: `cannot be looked at (${code}); it is served as before` })]
  }
  if (fault === 'missing') await requireStore(pass)
  if (!blob.isQuarantined) {
    // Not ours to judge any more when it was replaced meanwhile.
    if (!(await quarantineBlob(pass.registry, blob, fault))) return []
    advance(pass, {}, { quarantined: 1 })
  }
  return [
    await findingOf(pass, blob, { kind: fault === 'missing' ? 'missing' : 'damaged', what: `${fault}; the next push of it heals it` }),
  ]
}

/** Throws when the store has no bytes at all. */
async function requireStore({ registry }: Pass): Promise<void> {
  const { keys, next } = await registry.store.list({ limit: 100 })
  if (keys.length > 0 || next !== undefined) return
  throw new Error(
    'the store holds not one blob, so none is judged: is its disk mounted? If all is lost, push something, and scrub again: what is missing heals by pushes',
  )
}

async function findingOf(
  { registry }: Pass,
  { blobId, digest, sizeBytes, store, key }: StoredBlob,
  { kind, what }: { readonly kind: 'missing' | 'damaged'; readonly what: string },
): Promise<Finding> {
  const manifests = await neededBy(registry.metadata.reader, blobId, namedManifests + 1)
  const more = manifests.length > namedManifests ? ' and others' : ''
  const needed = manifests.length === 0 ? 'no manifest needs it' : `needed by ${manifests.slice(0, namedManifests).join(', ')}${more}`
  return { kind, store, key, digest, sizeBytes, detail: `${what}; ${needed}` }
}
