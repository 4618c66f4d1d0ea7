/** The blobs of a backup under way: as many as there are rows, so they wait compressed, a thousand together in some 40 KiB. */
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Digest } from '#oci/digest.ts'

/** A blob as its row was. */
export interface BackupBlob {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly store: string
  readonly key: string
  readonly isLive: boolean
}

const blobsTogether = 1_000

/** Grows at its end and is read from its beginning. */
export class BackupBlobList {
  readonly #full: Buffer[] = []
  #open: BackupBlob[] = []
  count = 0

  add(blob: BackupBlob): void {
    this.#open.push(blob)
    this.count++
    if (this.#open.length < blobsTogether) return
    this.#full.push(gzipSync(JSON.stringify(this.#open), { level: 1 }))
    this.#open = []
  }

  *pages(): Generator<readonly BackupBlob[]> {
    for (const page of this.#full) yield JSON.parse(gunzipSync(page).toString('utf8')) as readonly BackupBlob[]
    if (this.#open.length > 0) yield this.#open
  }
}
