/** One pass over an archive of images: large files become blobs while they come, documents wait in memory. */
import { createHash } from 'node:crypto'
import { createGzip } from 'node:zlib'
import { pipeline } from 'node:stream/promises'
import { readTar, type TarEntry } from '#lib/tar-reader.ts'
import { parseTarHeader, tarBlockBytes, TarError } from '#lib/tar-header.ts'
import { packingOf, peek, unpack, UnpackError, type Packing } from '#lib/unpack.ts'
import { digestOf, digestAlgorithm, parseDigest, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { abandonUpload, appendUpload, finishUpload, pushWholeBlob, startUpload } from '#registry/push-blob.ts'
import type { Actor, Registry } from '#registry/registry.ts'
import { joinPath, pathParts } from './image-tree.ts'

/** Where the images go, on whose behalf, and the archive itself. */
export interface ImportWanted {
  readonly repository: RepositoryName
  readonly actor: Actor
  readonly body: AsyncIterable<Uint8Array>
  /** As announced. */
  readonly contentLength?: number | undefined
  readonly signal: AbortSignal
  /** Of the archive as it is sent, and as it is when it is unpacked. */
  readonly archiveBytes: number
}

/** A layer that came under a name, and is a blob by now. */
export interface ImportedLayer {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly packing: Exclude<Packing, 'unknown'>
  /** Of the layer as it is when it is unpacked; undefined where it was not worked out. */
  readonly diffId: Digest | undefined
}

/** What came of an archive. Names are without `./` and the like. */
export interface ReadArchive {
  /** Documents by their names in the archive. */
  readonly named: ReadonlyMap<string, Buffer>
  /** Documents of an image layout, proved by their digests. */
  readonly documents: ReadonlyMap<Digest, Buffer>
  readonly layers: ReadonlyMap<string, ImportedLayer>
  /** Links, to names. */
  readonly links: ReadonlyMap<string, string>
}

/** An image of the archive before it is pushed. */
export interface FoundImage {
  /** As the archive calls it: `registry.example/team/app:1.0`, or a tag alone. */
  readonly names: readonly string[]
  /** Pushes all that it needs, and gives its own manifest, which is not pushed yet. */
  prepare(): Promise<PreparedImage>
}

/** All that the manifest needs is there. */
export interface PreparedImage {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly missingPlatforms: readonly string[]
}

const entriesMax = 50_000
/** Of all documents of one archive. */
const documentBytesMax = 16 * 1024 * 1024
const gzipLevel = 6

/** The error for what is wrong with an archive. */
export function archiveError(reason: string, cause?: unknown): RegistryError {
  return new RegistryError('ARCHIVE_INVALID', { reason }, { message: `the archive cannot be taken: ${reason}`, cause })
}

/** Reads it to its end. Throws ARCHIVE_INVALID, DIGEST_INVALID, and what pushes of blobs throw. */
export async function readArchive(registry: Registry, wanted: ImportWanted): Promise<ReadArchive> {
  const { contentLength = 0, archiveBytes } = wanted
  if (contentLength > archiveBytes) throw tooLarge(archiveBytes)
  try {
    return await read(registry, wanted)
  } catch (error) {
    throw behind(error)
  }
}

/** Pushes of blobs take an archive that ends too early for a body that does. */
function behind(error: unknown): unknown {
  let at = error
  for (let depth = 0; depth < 5 && at instanceof Error; depth++) {
    if (at instanceof TarError || at instanceof UnpackError) return archiveError(at.message, error)
    if (at.name === 'ClientGone' || (at instanceof RegistryError && at.code !== 'SIZE_INVALID')) return at
    at = at.cause
  }
  return error
}

function tooLarge(limitBytes: number): RegistryError {
  const message = limitBytes === 0 ? 'archives are not taken here' : `the archive has more than the ${limitBytes} bytes that are taken`
  return new RegistryError('ARCHIVE_INVALID', { limitBytes }, { message, status: 413 })
}

interface Reading {
  readonly registry: Registry
  readonly wanted: ImportWanted
  readonly named: Map<string, Buffer>
  readonly documents: Map<Digest, Buffer>
  readonly layers: Map<string, ImportedLayer>
  readonly links: Map<string, string>
  documentBytes: number
}

async function read(registry: Registry, wanted: ImportWanted): Promise<ReadArchive> {
  const reading: Reading = {
    registry,
    wanted,
    named: new Map(),
    documents: new Map(),
    layers: new Map(),
    links: new Map(),
    documentBytes: 0,
  }
  const { archiveBytes } = wanted
  const peeked = await peek(bounded(wanted.body, archiveBytes), 6)
  const packing = packingOf(peeked.head)
  if (peeked.head.length === 0) throw archiveError('it is empty')
  if (packing === 'unknown') throw archiveError('it is compressed in a way that is not read here: send it plain, or by gzip or zstd')
  const bytes = bounded(unpack(peeked.source, packing), archiveBytes)
  try {
    const rest = { [Symbol.asyncIterator]: () => ({ next: () => bytes.next() }) }
    for await (const entry of readTar(rest, { entries: entriesMax, totalBytes: Infinity })) await take(reading, entry)
    // Archives are filled up to some KiB.
    for await (const _rest of bytes);
  } finally {
    await bytes.return()
  }
  return reading
}

async function* bounded(source: AsyncIterable<Uint8Array>, limitBytes: number): AsyncGenerator<Uint8Array, void, void> {
  let sizeBytes = 0
  for await (const piece of source) {
    sizeBytes += piece.length
    if (sizeBytes > limitBytes) throw tooLarge(limitBytes)
    yield piece
  }
}

async function take(reading: Reading, entry: TarEntry): Promise<void> {
  const parts = pathParts(entry.path)
  const name = parts.join('/')
  if (entry.type === 'symlink') reading.links.set(name, joinPath(pathParts(`${parts.slice(0, -1).join('/')}/${entry.linkPath}`)).slice(1))
  if (entry.type === 'hardlink') reading.links.set(name, pathParts(entry.linkPath).join('/'))
  if (entry.type !== 'file') return
  reading.links.delete(name)
  const body = await peek(entry.body(), Math.min(tarBlockBytes, entry.sizeBytes))
  const digest = digestOfName(parts)
  if (isDocument(reading, body.head, entry)) await keepDocument(reading, { name, digest, sizeBytes: entry.sizeBytes }, body.source)
  else if (digest !== undefined) await pushBlob(reading, { name, digest, sizeBytes: entry.sizeBytes, head: body.head }, body.source)
  else if (isLayer(body.head)) reading.layers.set(name, await pushLayer(reading, body.head, body.source))
}

/** `blobs/sha256/<hex>` of an image layout. */
function digestOfName([directory, algorithm, hex, ...more]: readonly string[]): Digest | undefined {
  return directory === 'blobs' && more.length === 0 ? parseDigest(`${algorithm}:${hex}`) : undefined
}

/** JSON, and small enough to wait. */
function isDocument({ registry, documentBytes }: Reading, head: Buffer, { sizeBytes }: TarEntry): boolean {
  const first = head.toString('latin1', 0, 64).trimStart()[0]
  const isJson = first === '{' || first === '['
  return isJson && sizeBytes <= registry.options.manifestBytes && documentBytes + sizeBytes <= documentBytesMax
}

function isLayer(head: Buffer): boolean {
  const packing = packingOf(head)
  if (packing !== 'none') return packing !== 'unknown'
  if (head.length < tarBlockBytes) return false
  try {
    parseTarHeader(head, 0)
    return true
  } catch {
    return false
  }
}

interface Named {
  readonly name: string
  readonly digest: Digest | undefined
  readonly sizeBytes: number
}

async function keepDocument(reading: Reading, { name, digest, sizeBytes }: Named, source: AsyncIterable<Uint8Array>): Promise<void> {
  const pieces: Uint8Array[] = []
  for await (const piece of source) pieces.push(piece)
  const bytes = Buffer.concat(pieces)
  if (digest !== undefined && digestOf(bytes, digestAlgorithm(digest)) !== digest) throw new RegistryError('DIGEST_INVALID', { digest })
  reading.documentBytes += sizeBytes
  reading.named.set(name, bytes)
  if (digest !== undefined) reading.documents.set(digest, bytes)
}

async function pushBlob(
  { registry, wanted, layers }: Reading,
  { name, digest, sizeBytes, head }: Named & { readonly digest: Digest; readonly head: Buffer },
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { repository, actor, signal } = wanted
  await pushWholeBlob(registry, repository, actor, { digest, body, contentLength: sizeBytes, signal })
  const packing = packingOf(head)
  if (packing === 'unknown') return
  layers.set(name, { digest, sizeBytes, packing, diffId: packing === 'none' ? digest : undefined })
}

/** A document that a manifest names as a blob: a config, or a layer that is JSON. Nothing for one that came as a blob. */
export async function pushDocument(
  registry: Registry,
  { repository, actor, signal }: ImportWanted,
  { digest, bytes }: { readonly digest: Digest; readonly bytes: Uint8Array | undefined },
): Promise<void> {
  if (bytes === undefined) return
  await pushWholeBlob(registry, repository, actor, { digest, body: piecesOf([bytes]), contentLength: bytes.length, signal })
}

/** A layer without a digest in its name: what is not compressed is, as a push would have it. */
async function pushLayer({ registry, wanted }: Reading, head: Buffer, source: AsyncIterable<Uint8Array>): Promise<ImportedLayer> {
  const { repository, actor, signal } = wanted
  const packing = packingOf(head) as Exclude<Packing, 'unknown'>
  const diff = createHash('sha256')
  const blob = createHash('sha256')
  let sizeBytes = 0
  const counted = async function* () {
    for await (const piece of packing === 'none'
      ? compressed(source, diff)
      : proved(source, packing, { diff, limitBytes: wanted.archiveBytes })) {
      blob.update(piece)
      sizeBytes += piece.length
      yield piece
    }
  }
  const { uploadId } = await startUpload(registry, repository, actor)
  const target = { repository, uploadId, actor }
  try {
    await appendUpload(registry, target, counted(), { signal })
    const digest = `sha256:${blob.digest('hex')}` as Digest
    await finishUpload(registry, target, { digest, body: piecesOf([]), contentLength: 0, signal })
    return { digest, sizeBytes, packing: packing === 'none' ? 'gzip' : packing, diffId: `sha256:${diff.digest('hex')}` as Digest }
  } catch (error) {
    // The error tells more than that it was gone already.
    await abandonUpload(registry, target).catch(() => undefined)
    throw error
  }
}

async function* piecesOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, void> {
  yield* pieces
}

type Hash = ReturnType<typeof createHash>

async function* compressed(source: AsyncIterable<Uint8Array>, diff: Hash): AsyncGenerator<Uint8Array, void, void> {
  const gzip = createGzip({ level: gzipLevel, chunkSize: 64 * 1024 })
  const hashed = async function* () {
    for await (const piece of source) {
      diff.update(piece)
      yield piece
    }
  }
  const feeding = pipeline(hashed(), gzip)
  feeding.catch(() => undefined)
  try {
    yield* gzip as AsyncIterable<Uint8Array>
    await feeding
  } finally {
    gzip.destroy()
    await feeding.catch(() => undefined)
  }
}

/** As it is, while what is in it is hashed beside. */
async function* proved(
  source: AsyncIterable<Uint8Array>,
  packing: 'gzip' | 'zstd',
  { diff, limitBytes }: { readonly diff: Hash; readonly limitBytes: number },
): AsyncGenerator<Uint8Array, void, void> {
  // Handed over one by one: whoever unpacks asks for the next, and gets what was sent on.
  const queue: Uint8Array[] = []
  let isEnded = false
  let wake = Promise.withResolvers<void>()
  let taken = Promise.withResolvers<void>()
  const beside = async function* () {
    for (;;) {
      const piece = queue.shift()
      if (piece !== undefined) {
        taken.resolve()
        yield piece
      } else if (isEnded) return
      else {
        await wake.promise
        wake = Promise.withResolvers()
      }
    }
  }
  const hashing = (async () => {
    for await (const piece of bounded(unpack(beside(), packing), limitBytes)) diff.update(piece)
  })()
  hashing.catch(() => taken.resolve())
  try {
    for await (const piece of source) {
      taken = Promise.withResolvers()
      queue.push(piece)
      wake.resolve()
      yield piece
      await Promise.race([taken.promise, hashing])
    }
    isEnded = true
    wake.resolve()
    await hashing
  } finally {
    isEnded = true
    wake.resolve()
    await hashing.catch(() => undefined)
  }
}
