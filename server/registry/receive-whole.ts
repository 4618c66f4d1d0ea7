/** Takes a blob that comes whole in one request: small ones in memory, hashed at once; others as an upload without a session. */
import type { BlobWriter } from '#blobs/blob-store.ts'
import { isOfObjectStore } from '#blobs/object-error.ts'
import { storeOf } from '#blobs/stores.ts'
import { createDigestHash, digestAlgorithm, digestOf, digestOfHash, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { untilCut, type Cut, type UploadBody } from './receive-body.ts'
import type { Registry } from './registry.ts'
import { requireReserve } from './require.ts'
import { dropBytes } from './upload-session.ts'

/** Bodies up to this size that say so are taken in memory: one hash call, one write. */
const bufferedBytes = 1024 * 1024

/** A body that is the whole blob, and the digest that it must have; DIGEST_INVALID when it has another. */
export interface WholeBody extends Omit<UploadBody, 'range'> {
  readonly digest: Digest
}

/** The proven bytes of a body that is small and says so; undefined for any other, which is not touched. */
export async function bufferSmall(input: WholeBody): Promise<Uint8Array | undefined> {
  if (input.contentLength === undefined || input.contentLength > bufferedBytes) return undefined
  const cut: Cut = {}
  const chunks: Uint8Array[] = []
  for await (const chunk of untilCut({ ...input, cut })) chunks.push(chunk)
  if (cut.error !== undefined) throw cut.error
  const bytes = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
  prove(digestOf(bytes, digestAlgorithm(input.digest)), input.digest)
  return bytes
}

/** An upload, and the store that has its bytes: the primary one unless said. */
interface UploadPlace {
  readonly uploadId: string
  readonly store?: string | undefined
}

/** Stores proven bytes as an upload. */
export async function writeUpload(registry: Registry, place: UploadPlace, bytes: Uint8Array): Promise<void> {
  await withWriter(registry, place, async (writer) => {
    if (bytes.length > 0) await writer.write(bytes)
    await writer.sync()
  })
}

/** Stores the body as an upload and proves it; gives its size. Whatever goes wrong, nothing of it stays. */
export async function streamUpload(registry: Registry, uploadId: string, input: WholeBody): Promise<number> {
  const algorithm = digestAlgorithm(input.digest)
  const hash = createDigestHash(algorithm)
  let sizeBytes = 0
  await withWriter(registry, { uploadId }, async (writer) => {
    const cut: Cut = {}
    for await (const chunk of untilCut({ ...input, cut })) {
      await input.room?.take(sizeBytes + chunk.length)
      await requireReserve(registry, chunk.length)
      hash.update(chunk)
      sizeBytes += chunk.length
      await writer.write(chunk)
    }
    if (cut.error !== undefined) throw cut.error
    prove(digestOfHash(algorithm, hash), input.digest)
    await writer.sync()
  })
  return sizeBytes
}

async function withWriter(
  registry: Registry,
  { uploadId, store = registry.store.name }: UploadPlace,
  use: (writer: BlobWriter) => Promise<void>,
): Promise<void> {
  const writer = await storeOf(registry.stores, store).openUpload(uploadId, 0)
  try {
    await use(writer)
  } catch (error) {
    await writer[Symbol.asyncDispose]()
    const dropped = dropBytes(registry, uploadId, store)
    // Who waits is not to wait for a store that is away a second time.
    if (!isOfObjectStore(error)) await dropped
    throw error
  }
  await writer[Symbol.asyncDispose]()
}

function prove(found: Digest, expected: Digest): void {
  if (found !== expected) throw new RegistryError('DIGEST_INVALID', { digest: expected })
}
