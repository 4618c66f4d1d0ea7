/**
 * Blobs whose bytes a backup cannot give back: who needs them, and how the restored registry knows of it.
 *
 * They are in quarantine as if scrub had found them so: missing for everyone, among its findings, and the next push of one heals it in every repository. A
 * restore that is run again from a place that was mended meanwhile takes them out again.
 */
import { recordEvent } from '#events/record.ts'
import { blobsAfter, quarantine, release, type StoredBlob } from '#metadata/blobs.ts'
import type { Metadata, Reader } from '#metadata/metadata.ts'
import { noteFinding, resolveFindingsAt } from '#metadata/scrub-findings.ts'
import { needingTags } from '#metadata/needing-tags.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Digest } from '#oci/digest.ts'
import { findingOfDamage, type QuarantineReason } from '#registry/quarantine-blob.ts'
import type { DamagedInBackup } from './backup-restore-blobs.ts'
import type { ListedBlob } from './backup-verify.ts'

/** One of them, for people: what is wrong with it in the backup, and some of what needs it. */
export interface LostBlob {
  readonly digest: Digest
  readonly detail: string
  /** `repository:tag`, or `repository@digest` of a manifest without a tag; undefined: nobody looked. */
  readonly neededBy: readonly string[] | undefined
  /** More than these need it. */
  readonly areMore: boolean
}

const namedTags = 5

/** Reads the rows that are restored already. */
export async function describeLost(reader: Reader, { digest, detail }: DamagedInBackup): Promise<LostBlob> {
  const found = await needingTags(reader, digest, namedTags + 1)
  return { digest, detail, neededBy: found.slice(0, namedTags), areMore: found.length > namedTags }
}

const rowsAtOnce = 500

interface Settling {
  readonly lost: readonly { readonly blob: StoredBlob; readonly reason: QuarantineReason }[]
  readonly found: readonly StoredBlob[]
  readonly now: number
}

const settle = transaction(import.meta.url, 'backup-restore-lost/settle', async (tx, { lost, found, now }: Settling) => {
  for (const { blob, reason } of lost) {
    const { blobId, key, digest } = blob
    if (await quarantine(tx, blobId, key))
      await recordEvent(tx, { action: 'blob.quarantined', digest, detail: { reason }, at: now, actor: '', requestId: '' })
    await noteFinding(tx, await findingOfDamage(tx, blob, reason), { now, since: now })
  }
  for (const { blobId, store, key } of found) if (await release(tx, blobId, key)) await resolveFindingsAt(tx, { store, key }, now)
})

/** Makes the rows say of each blob whether there are bytes: not for those that are lost. */
export async function settleLost(metadata: Metadata, lost: ReadonlyMap<Digest, QuarantineReason>, now: number): Promise<void> {
  for (let afterId = 0; ;) {
    const page = await blobsAfter(metadata.reader, { afterId, limit: rowsAtOnce })
    const change: Settling = {
      lost: page.flatMap((blob) => {
        const reason = lost.get(blob.digest)
        return reason === undefined ? [] : [{ blob, reason }]
      }),
      found: page.filter((blob) => blob.isQuarantined && !lost.has(blob.digest)),
      now,
    }
    if (change.lost.length + change.found.length > 0) await metadata.write(settle, change)
    afterId = page.at(-1)?.blobId ?? afterId
    if (page.length < rowsAtOnce) return
  }
}

/** The blobs that restored rows name, where the backup's own list of them cannot be read. */
export async function* blobsOfRows(reader: Reader): AsyncGenerator<ListedBlob> {
  for (let afterId = 0; ;) {
    const page = await blobsAfter(reader, { afterId, limit: rowsAtOnce })
    for (const { digest, sizeBytes } of page) yield { digest, sizeBytes, isThere: true }
    afterId = page.at(-1)?.blobId ?? afterId
    if (page.length < rowsAtOnce) return
  }
}
