/**
 * Which of several processes writes to an upload: a lease in its row, for claims of upload-table.ts hold in one process only.
 *
 * A process takes the hold before it writes, says every few seconds that it still does, and gives it back with the progress of the request, so that the next
 * one may land anywhere. Each taking counts the row's fence up, and every change of the row names the fence under which it was begun: who was paused for
 * longer than a hold lasts changes nothing any more. A process that is alone on its database needs none of this.
 */
import { extendHolds, releaseHold, takeHold, type HoldTaking } from '#metadata/upload-holds.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Metadata } from '#metadata/metadata.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import type { UploadClaim } from './upload-table.ts'

const holdMs = 30_000
const beatMs = 10_000
/** A client that goes on with its next request at once may meet the end of the last one on another node. */
const patienceMs = 3_000
const retryMs = 100

const take = transaction(import.meta.url, 'upload-holds/take', (tx, taking: HoldTaking) => takeHold(tx, taking), 'read committed')
const extend = transaction(
  import.meta.url,
  'upload-holds/extend',
  (tx, input: { readonly holder: string; readonly uploadIds: readonly string[]; readonly until: number }) => extendHolds(tx, input),
  'read committed',
)
const release = transaction(
  import.meta.url,
  'upload-holds/release',
  (tx, input: { readonly uploadId: string; readonly fence: number }) => releaseHold(tx, input),
  'read committed',
)

interface HoldParts {
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>
  readonly log: Logger
}

/** The holds of this process. Disposing ends its sign of life. */
export class UploadHolds implements Disposable {
  readonly #parts: HoldParts
  readonly #holder: string
  readonly #held = new Map<string, UploadClaim>()
  readonly #beat: Disposable

  constructor(parts: HoldParts) {
    this.#parts = parts
    this.#holder = parts.ports.random.uuid()
    this.#beat = parts.ports.timers.every(beatMs, () => void this.#sayAlive())
  }

  /** Makes the claim hold among all processes. Throws `BLOB_UPLOAD_BUSY` where another one writes; an upload that is not there is left to whoever looks for it. */
  async take(uploadId: string, claim: UploadClaim): Promise<void> {
    const { metadata, ports } = this.#parts
    const deadline = ports.clock.monotonic() + patienceMs
    for (;;) {
      const now = ports.clock.now()
      const taken = await metadata.write(take, { uploadId, holder: this.#holder, now, until: now + holdMs })
      if (taken === 'unknown') return
      if (taken !== 'held') {
        claim.fence = taken.fence
        this.#held.set(uploadId, claim)
        return
      }
      if (ports.clock.monotonic() > deadline) throw new RegistryError('BLOB_UPLOAD_BUSY')
      await ports.timers.sleep(retryMs)
    }
  }

  /** Gives it back; what fails ends by itself. */
  async release(uploadId: string, claim: UploadClaim): Promise<void> {
    const { metadata, log } = this.#parts
    this.#held.delete(uploadId)
    if (claim.fence === undefined) return
    try {
      await metadata.write(release, { uploadId, fence: claim.fence })
    } catch (error) {
      log.warn({ err: error, uploadId }, 'an upload stays held until its time is over')
    }
  }

  /** The row that said so is gone, or says already that nobody holds it. */
  forget(uploadId: string): void {
    this.#held.delete(uploadId)
  }

  [Symbol.dispose](): void {
    this.#beat[Symbol.dispose]()
  }

  async #sayAlive(): Promise<void> {
    if (this.#held.size === 0) return
    const { metadata, ports, log } = this.#parts
    const held = new Map(this.#held)
    try {
      const until = ports.clock.now() + holdMs
      const kept = new Set(await metadata.write(extend, { holder: this.#holder, uploadIds: [...held.keys()], until }))
      for (const [uploadId, claim] of held) if (!kept.has(uploadId) && this.#held.get(uploadId) === claim) this.#lose(uploadId, claim)
    } catch (error) {
      log.warn({ err: error, uploads: held.size }, 'uploads could not be held on to: the next turn tries again')
    }
  }

  #lose(uploadId: string, claim: UploadClaim): void {
    this.#held.delete(uploadId)
    claim.stop(new RegistryError('BLOB_UPLOAD_UNKNOWN', undefined, { message: 'the upload was ended or taken over by another process' }))
  }
}
