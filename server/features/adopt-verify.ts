/** Reading the bytes of adopted blobs against their digests, once each however many repositories have them. */
import { digestFromBytes, type Digest } from '#oci/digest.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { fileHasDigest, sizeOfFile, type LayoutSource } from './adopt-files.ts'
import { layoutRoot } from './registry2-layout.ts'
import { ProblemCollector, type Problem } from './registry2-report.ts'
import { markBlob } from './adopt-rows.ts'

const blobsInPage = 50

/** Whose blobs are read (the rows of store `storeName`), from where, and what stops the reading. */
export interface VerifyParts {
  readonly metadata: Metadata
  readonly storeName: string
  readonly source: LayoutSource
  readonly signal: AbortSignal | undefined
  readonly clock: Pick<Ports['clock'], 'now'>
}

interface AdoptedBlob {
  readonly id: number
  readonly digest: Digest
  readonly key: string
  readonly state: 'live' | 'quarantined'
}

async function adoptedBlobs({ metadata, storeName }: VerifyParts, afterId: number): Promise<AdoptedBlob[]> {
  const rows = await metadata.reader
    .selectFrom('blobs')
    .select(['id', 'digest', 'key', 'state'])
    .where('id', '>', afterId)
    .where('store', '=', storeName)
    .where('key', '>=', `${layoutRoot}/blobs/`)
    .where('key', '<', `${layoutRoot}/blobs0`)
    .orderBy('id')
    .limit(blobsInPage)
    .execute()
  return rows.map((row) => ({ ...row, digest: digestFromBytes(row.digest) }))
}

/** One page of blobs after `afterId`: the wrong ones are quarantined, and those that are right again come back. Undefined after the last. */
export async function verifyBlobs(
  parts: VerifyParts,
  afterId: number,
): Promise<{ afterId: number; verified: number; problems: Problem[] } | undefined> {
  const blobs = await adoptedBlobs(parts, afterId)
  const last = blobs.at(-1)
  if (last === undefined) return undefined
  // No repository: a blob may be in many.
  const problems = new ProblemCollector('blobs')
  for (const { id, digest, key, state } of blobs) {
    parts.signal?.throwIfAborted()
    const sizeBytes = (await sizeOfFile(parts.source, key)) ?? 0
    const now = (await fileHasDigest(parts.source, key, { digest, signal: parts.signal })) ? 'live' : 'quarantined'
    if (now === 'quarantined') problems.add('blob-corrupt', digest)
    if (now !== state) await parts.metadata.write(markBlob, { blobId: id, key, state: now, sizeBytes, now: parts.clock.now() })
  }
  return { afterId: last.id, verified: blobs.length, problems: problems.list() }
}
