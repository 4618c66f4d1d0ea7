/** Finding the bytes of recovered blobs: where the journal says, or where they were moved to since. */
import type { BlobKey, BlobStore, ListedKey } from '#blobs/blob-store.ts'
import type { Stores } from '#blobs/stores.ts'
import { mapLimited } from '#lib/map-limited.ts'
import { keyInUse } from '#metadata/blob-deletions.ts'
import type { Metadata } from '#metadata/metadata.ts'
import {
  createDigestHash,
  digestAlgorithm,
  digestFromBytes,
  digestHex,
  digestOfHash,
  type Digest,
  type DigestAlgorithm,
} from '#oci/digest.ts'
import { readOpenBlob } from '#registry/read-open-blob.ts'

/** Where the bytes of a blob were found. */
export interface BlobPlaceFound {
  readonly store: string
  readonly key: string
}

/** What it works with. */
export interface FindParts {
  readonly metadata: Metadata
  readonly stores: Stores
  readonly signal: AbortSignal
  /** Its bytes are there, or nowhere. */
  readonly moveBlob: (blobId: number, place: BlobPlaceFound | undefined) => Promise<void>
}

/** What there is of the blobs of all rows. */
export interface FoundBlobs {
  readonly blobs: number
  readonly moved: number
  readonly missing: readonly Digest[]
}

interface LostBlob {
  readonly id: number
  readonly digest: Digest
  readonly sizeBytes: number
}

const blobsAtOnce = 16
const rowsAtOnce = 500

/** Looks whether the bytes are there, by their size. Scrub, which reads them, is for later. Those that are not may have been moved since the journal said where. */
export async function findBlobs(parts: FindParts): Promise<FoundBlobs> {
  const { metadata, stores, signal, moveBlob } = parts
  const lost: LostBlob[] = []
  let blobs = 0
  for (let after = 0; ;) {
    const rows = await metadata.reader
      .selectFrom('blobs')
      .select(['id', 'digest', 'size_bytes', 'store', 'key'])
      .where('id', '>', after)
      .orderBy('id')
      .limit(rowsAtOnce)
      .execute()
    await mapLimited(rows, blobsAtOnce, async ({ id, digest, size_bytes: sizeBytes, store, key }) => {
      signal.throwIfAborted()
      blobs++
      const found = await stores.all.get(store)?.stat(key as BlobKey)
      if (found?.sizeBytes !== sizeBytes) lost.push({ id, digest: digestFromBytes(digest), sizeBytes })
    })
    after = rows.at(-1)?.id ?? after
    if (rows.length < rowsAtOnce) break
  }
  const found = lost.length === 0 ? new Map<number, BlobPlaceFound>() : await findMoved(parts, lost)
  for (const { id } of lost) await moveBlob(id, found.get(id))
  return { blobs, moved: found.size, missing: lost.filter(({ id }) => !found.has(id)).map(({ digest }) => digest) }
}

/** Goes through all stores for bytes of the same size that no row names, and reads those whose key does not tell what they are. */
async function findMoved({ metadata, stores, signal }: FindParts, lost: readonly LostBlob[]): Promise<ReadonlyMap<number, BlobPlaceFound>> {
  const bySize = Map.groupBy(lost, ({ sizeBytes }) => sizeBytes)
  const found = new Map<number, BlobPlaceFound>()
  for (const [name, store] of stores.all)
    for await (const { key, sizeBytes } of keysOf(store, signal)) {
      const candidates = (bySize.get(sizeBytes) ?? []).filter(({ id }) => !found.has(id))
      if (candidates.length === 0 || (await keyInUse(metadata.reader, name, key))) continue
      const match = await matchOf(store, key, { candidates, signal })
      if (match !== undefined) found.set(match.id, { store: name, key })
    }
  return found
}

async function* keysOf(store: BlobStore, signal: AbortSignal): AsyncGenerator<ListedKey> {
  let after: string | undefined
  do {
    signal.throwIfAborted()
    const page = await store.list({ after, limit: rowsAtOnce })
    yield* page.keys
    after = page.next
  } while (after !== undefined)
}

interface Matching {
  readonly candidates: readonly LostBlob[]
  readonly signal: AbortSignal
}

/** Keys of a directory name the digest, those of an object store do not. */
async function matchOf(store: BlobStore, key: BlobKey, { candidates, signal }: Matching): Promise<LostBlob | undefined> {
  const hex = /^blobs\/sha(?:256|512)\/[0-9a-f]{2}\/([0-9a-f]+)\/[0-9a-f]+$/.exec(key)?.[1]
  if (hex !== undefined) return candidates.find(({ digest }) => digestHex(digest) === hex)
  for (const algorithm of new Set(candidates.map(({ digest }) => digestAlgorithm(digest)))) {
    const digest = await digestAt(store, key, { algorithm, signal })
    const match = candidates.find((each) => each.digest === digest)
    if (match !== undefined) return match
  }
  return undefined
}

async function digestAt(
  store: BlobStore,
  key: BlobKey,
  { algorithm, signal }: { readonly algorithm: DigestAlgorithm; readonly signal: AbortSignal },
): Promise<Digest | undefined> {
  const opened = await store.open(key, { direct: true })
  if (opened === undefined) return undefined
  const hash = createDigestHash(algorithm)
  for await (const piece of readOpenBlob(opened, signal)) hash.update(piece)
  return digestOfHash(algorithm, hash)
}
