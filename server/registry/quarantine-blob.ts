/**
 * A blob whose bytes are not what its digest says, or not all there, is missing for everyone from then on, so that the next push of it is not
 * skipped and heals it in every repository at once.
 */
import type { BlobKey } from '#blobs/blob-store.ts'
import { recordEvent } from '#events/record.ts'
import { quarantine, release, type BlobPlace } from '#metadata/blobs.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Digest } from '#oci/digest.ts'
import type { Registry } from './registry.ts'

/** What is wrong with the stored bytes; stands in the log, in the event and in scrub's report. */
export type QuarantineReason = 'missing' | 'wrong size' | 'wrong digest' | 'unreadable'

interface Finding {
  readonly blobId: number
  readonly key: string
  readonly digest: Digest
  readonly reason: QuarantineReason
  readonly now: number
}

const quarantineRow = transaction(
  import.meta.url,
  'quarantine-blob/quarantine',
  async (tx, { blobId, key, digest, reason, now }: Finding) => {
    const done = await quarantine(tx, blobId, key)
    if (done) await recordEvent(tx, { action: 'blob.quarantined', digest, detail: { reason }, at: now, actor: '', requestId: '' })
    return done
  },
)

/** False when the blob was replaced meanwhile. */
export async function quarantineBlob(
  registry: Registry,
  blob: BlobPlace & { readonly digest: Digest },
  reason: QuarantineReason,
): Promise<boolean> {
  const done = await registry.metadata.write(quarantineRow, {
    blobId: blob.blobId,
    key: blob.key,
    digest: blob.digest,
    reason,
    now: registry.context.ports.clock.now(),
  })
  if (done) {
    registry.memory.contents.delete(blob.digest)
    registry.context.log.error(
      { digest: blob.digest, sizeBytes: blob.sizeBytes, key: blob.key, reason },
      'blob quarantined: the next push of it heals it',
    )
  }
  return done
}

const releaseRow = transaction(import.meta.url, 'quarantine-blob/release', (tx, input: { readonly blobId: number; readonly key: string }) =>
  release(tx, input.blobId, input.key),
)

/** Ends the quarantine of a blob whose bytes were proved right (a disk that was not mounted is back). False when it changed meanwhile. */
export async function releaseBlob(
  { metadata, context }: Pick<Registry, 'metadata'> & { readonly context: Pick<Registry['context'], 'log'> },
  blob: BlobPlace & { readonly digest: Digest },
): Promise<boolean> {
  const done = await metadata.write(releaseRow, { blobId: blob.blobId, key: blob.key })
  if (done) context.log.info({ digest: blob.digest }, 'blob is whole again and left quarantine')
  return done
}

/** Whether the store still has all bytes of the blob; quarantines it when it has not. */
export async function isWhole(registry: Registry, blob: BlobPlace & { readonly digest: Digest }): Promise<boolean> {
  const found = await registry.store.stat(blob.key as BlobKey)
  if (found?.sizeBytes === blob.sizeBytes) return true
  await quarantineBlob(registry, blob, found === undefined ? 'missing' : 'wrong size')
  return false
}
