/**
 * Scrub: reads every blob slowly and compares it with its digest.
 *
 * Bits rot and files get lost while nobody reads them. What is found wrong is quarantined, so that the next push heals it; what is in quarantine
 * and found right again (a disk that was not mounted) leaves it. Walks the rows by id, so it can stop and go on anywhere, and meets what is
 * pushed meanwhile or not, both fine.
 */
import { blobsAfter, type StoredBlob } from '#metadata/blobs.ts'
import type { Digest } from '#oci/digest.ts'
import { findFault } from '#registry/find-fault.ts'
import { quarantineBlob, releaseBlob, type QuarantineReason } from '#registry/quarantine-blob.ts'
import type { Registry } from '#registry/registry.ts'

const pageRows = 100

/** How one pass goes: how fast, from where, and what stops it. */
export interface Scrub {
  readonly signal: AbortSignal
  /** Average rate of reading; undefined or 0: as fast as it goes. */
  readonly bytesPerSecond?: number | undefined
  /** Goes on behind this blob (a report's `lastId`). */
  readonly afterId?: number | undefined
  readonly onProgress?: (report: ScrubReport) => void
}

/** What a pass has read and found so far; also given while it runs. */
export interface ScrubReport {
  readonly blobs: number
  readonly bytes: number
  /** What was found wrong, and is missing for everyone now. At most {@link reportedFindings} are named. */
  readonly quarantined: readonly { readonly digest: Digest; readonly reason: QuarantineReason }[]
  readonly quarantinedCount: number
  /** Blobs that were in quarantine and are whole. */
  readonly released: number
  /** The blob looked at last; pass it as `afterId` to go on. */
  readonly lastId: number
}

/** So that a lost disk does not fill the memory with findings; all of them are in the log and the events. */
const reportedFindings = 1_000

/** Rejects with the signal's reason when it aborts; `onProgress` was told how far it came. */
export async function scrub(registry: Registry, options: Scrub): Promise<ScrubReport> {
  const { clock } = registry.context.ports
  const startedAt = clock.monotonic()
  let report: ScrubReport = { blobs: 0, bytes: 0, quarantined: [], quarantinedCount: 0, released: 0, lastId: options.afterId ?? 0 }
  for (;;) {
    const page = await blobsAfter(registry.metadata.reader, registry.store.name, { afterId: report.lastId, limit: pageRows })
    for (const blob of page) {
      options.signal.throwIfAborted()
      report = await scrubBlob(registry, blob, { report, pace: paceOf(registry, options, startedAt), signal: options.signal })
      options.onProgress?.(report)
    }
    if (page.length < pageRows) return report
  }
}

/** Waits until as many bytes may have been read. */
type Pace = (bytesRead: number) => Promise<void>

function paceOf(registry: Registry, { bytesPerSecond = 0, signal }: Scrub, startedAt: number): Pace {
  const { clock, timers } = registry.context.ports
  return async (bytesRead) => {
    if (bytesPerSecond <= 0) return
    const aheadMs = (bytesRead / bytesPerSecond) * 1_000 - (clock.monotonic() - startedAt)
    if (aheadMs > 0) await timers.sleep(aheadMs, signal)
  }
}

interface Step {
  readonly report: ScrubReport
  readonly pace: Pace
  readonly signal: AbortSignal
}

async function scrubBlob(registry: Registry, blob: StoredBlob, { report, pace, signal }: Step): Promise<ScrubReport> {
  let { bytes } = report
  const reason = await findFault(registry.store, blob, {
    signal,
    onPiece: (piece) => pace((bytes += piece.length)),
  })
  const next = { ...report, blobs: report.blobs + 1, bytes, lastId: blob.blobId }
  if (reason === undefined)
    return blob.isQuarantined && (await releaseBlob(registry, blob)) ? { ...next, released: next.released + 1 } : next
  if (blob.isQuarantined || !(await quarantineBlob(registry, blob, reason))) return next
  const quarantined = next.quarantined.length < reportedFindings ? [...next.quarantined, { digest: blob.digest, reason }] : next.quarantined
  return { ...next, quarantined, quarantinedCount: next.quarantinedCount + 1 }
}
