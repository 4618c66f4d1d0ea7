/**
 * Reading registry:2's directory: streams of entries, link files, digests of bytes. Nothing here follows a symbolic link or writes.
 *
 * What one bad file can cause (gone, empty, a link, a directory, a bad sector) is an answer; what speaks of the whole directory (no permission, no file
 * descriptors) is thrown, so that an import never ends well after having seen nothing.
 */
import { constants, type Dirent } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Files } from '#lib/ports.ts'
import { createDigestHash, digestAlgorithm, digestOfHash, parseDigest, type Digest } from '#oci/digest.ts'

/** The data directory that is read, through the port of the file system. */
export interface LayoutSource {
  readonly files: Files
  /** Absolute; `docker/registry/v2` is below it. */
  readonly rootDirectory: string
}

/** What a link file says. */
export type Link =
  | { readonly kind: 'absent' }
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'digest'; readonly digest: Digest; readonly modifiedAt: number }

// O_NOFOLLOW: no way out of the root. O_NONBLOCK: a named pipe must not hold the import.
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
const linkMaxBytes = 1024
const hashChunkBytes = 1024 * 1024

const absentCodes = new Set(['ENOENT', 'ENOTDIR'])
const unusableCodes = new Set(['ELOOP', 'EISDIR', 'EIO', 'ENXIO', 'EMLINK', 'EFTYPE'])

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? ''
}

/** Runs `read` on the open regular file; `'absent'` or the reason why it cannot be used. */
async function withFile<T>(
  source: LayoutSource,
  path: string,
  read: (handle: FileHandle) => Promise<T>,
): Promise<{ readonly value: T } | 'absent' | { readonly reason: string }> {
  try {
    await using handle = await source.files.open(join(source.rootDirectory, path), readFlags)
    return { value: await read(handle) }
  } catch (error) {
    if (absentCodes.has(codeOf(error))) return 'absent'
    if (unusableCodes.has(codeOf(error))) return { reason: codeOf(error) === 'EIO' ? 'unreadable' : 'not a regular file' }
    throw error
  }
}

/** The link file at `path`. */
export async function readLink(source: LayoutSource, path: string): Promise<Link> {
  const found = await withFile(source, path, async (handle) => {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(linkMaxBytes), 0, linkMaxBytes, 0)
    const { mtimeMs } = await handle.stat()
    return { text: buffer.toString('latin1', 0, bytesRead).trim(), modifiedAt: Math.floor(mtimeMs) }
  })
  if (found === 'absent') return { kind: 'absent' }
  if ('reason' in found) return { kind: 'broken', reason: found.reason }
  const { text, modifiedAt } = found.value
  const digest = parseDigest(text)
  if (digest !== undefined) return { kind: 'digest', digest, modifiedAt }
  return { kind: 'broken', reason: text === '' ? 'empty' : 'not a digest' }
}

/** All bytes of the file when it has at most `maxBytes`. */
export async function readSmallFile(
  source: LayoutSource,
  path: string,
  maxBytes: number,
): Promise<Buffer | 'absent' | 'unusable' | 'too-big'> {
  const found = await withFile(source, path, async (handle) => {
    const stat = await handle.stat()
    if (!stat.isFile()) return 'unusable'
    return stat.size > maxBytes ? 'too-big' : await handle.readFile()
  })
  if (found === 'absent') return 'absent'
  return 'reason' in found ? 'unusable' : found.value
}

/** Size of the regular file; undefined when there is none. */
export async function sizeOfFile(source: LayoutSource, path: string): Promise<number | undefined> {
  try {
    const stat = await source.files.lstat(join(source.rootDirectory, path))
    return stat.isFile() ? stat.size : undefined
  } catch (error) {
    if (absentCodes.has(codeOf(error))) return undefined
    throw error
  }
}

/** Whether the file's bytes have this digest. Absent and unreadable files do not. */
export async function fileHasDigest(
  source: LayoutSource,
  path: string,
  wanted: { readonly digest: Digest; readonly signal: AbortSignal | undefined },
): Promise<boolean> {
  const algorithm = digestAlgorithm(wanted.digest)
  const found = await withFile(source, path, async (handle) => {
    const hash = createDigestHash(algorithm)
    const chunk = Buffer.allocUnsafe(hashChunkBytes)
    for (;;) {
      wanted.signal?.throwIfAborted()
      const { bytesRead } = await handle.read(chunk, 0, chunk.length)
      if (bytesRead === 0) return digestOfHash(algorithm, hash)
      hash.update(chunk.subarray(0, bytesRead))
    }
  })
  return typeof found === 'object' && 'value' in found && found.value === wanted.digest
}

/** The entries of a directory, streamed; none when it is absent. */
export async function* entriesOf(source: LayoutSource, path: string): AsyncGenerator<Dirent> {
  try {
    yield* await source.files.opendir(join(source.rootDirectory, path), { bufferSize: 256 })
  } catch (error) {
    if (!absentCodes.has(codeOf(error))) throw error
  }
}

/** Groups of at most `size`. */
export async function* inBatches<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = []
  for await (const item of items) {
    batch.push(item)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
