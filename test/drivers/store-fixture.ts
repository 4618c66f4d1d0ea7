/** What the tests of blob stores do with them: write, read whatever kind comes, look for leftovers. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { newBlobKey, type BlobKey, type BlobStore } from '#blobs/blob-store.ts'
import { systemPorts } from '#lib/ports.ts'
import { digestOf, type Digest } from '#oci/digest.ts'

/** A fresh store, and how to end it. `leftovers` names what lies in it that is no upload and no blob (empty directories, temporary files). */
export interface OpenStore {
  readonly store: BlobStore
  readonly leftovers?: () => Promise<readonly string[]>
  readonly cleanup: () => Promise<void>
}

/** The key of some bytes, as the registry makes it. */
export function keyOf(bytes: Uint8Array): BlobKey {
  return newBlobKey(digestOf(bytes), systemPorts.random)
}

/** The key of an upload's bytes, as the store makes it. */
export function keyFor(store: BlobStore, uploadId: string, bytes: Uint8Array): BlobKey {
  return store.keyFor(uploadId, digestOf(bytes), systemPorts.random)
}

/** Writes, syncs and closes; the upload is ready for its commit. */
export async function upload(store: BlobStore, chunks: readonly Uint8Array[], uploadId: string = randomUUID()): Promise<string> {
  await using writer = await store.openUpload(uploadId, 0)
  for (const chunk of chunks) await writer.write(chunk)
  await writer.sync()
  return uploadId
}

/** Stores the bytes under a key of their own, or under one that is given, where keys may be chosen. */
export async function put(store: BlobStore, bytes: Uint8Array, key?: BlobKey): Promise<BlobKey> {
  if (key === undefined) return putAs(store, bytes, digestOf(bytes))
  await store.commitUpload(await upload(store, [Uint8Array.from(bytes)]), key)
  return key
}

/** Stores bytes that shall pass for those of the digest. */
export async function putAs(store: BlobStore, bytes: Uint8Array, digest: Digest): Promise<BlobKey> {
  const uploadId = await upload(store, [Uint8Array.from(bytes)])
  const key = store.keyFor(uploadId, digest, systemPorts.random)
  await store.commitUpload(uploadId, key)
  return key
}

/** Reads a blob, or a range of it, whatever kind the store hands out; undefined when absent. */
export async function bytesOf(store: BlobStore, key: BlobKey, range?: Range): Promise<Buffer | undefined> {
  const blob = await store.open(key, { direct: true })
  if (blob === undefined) return undefined
  if (blob.kind === 'redirect') throw new Error('a store asked for a direct answer redirects')
  const sizeBytes = blob.kind === 'bytes' ? blob.bytes.length : blob.sizeBytes
  const { start, end } = range ?? { start: 0, end: sizeBytes - 1 }
  switch (blob.kind) {
    case 'bytes':
      return Buffer.from(blob.bytes).subarray(start, end + 1)
    case 'file':
      return readFile(blob.handle, { start, end })
    case 'stream':
      return concat(await blob.read(start, end, new AbortController().signal))
  }
}

/** First and last byte. */
interface Range {
  readonly start: number
  readonly end: number
}

async function readFile(opened: FileHandle, { start, end }: Range): Promise<Buffer> {
  await using handle = opened
  const bytes = Buffer.alloc(end - start + 1)
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at)
    assert.ok(bytesRead > 0, 'a file is as long as its store says')
    at += bytesRead
  }
  return bytes
}

async function concat(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}

/** Ids of all uploads that the store has. */
export async function uploadIds(store: BlobStore): Promise<string[]> {
  const ids: string[] = []
  for await (const { uploadId } of store.listUploads()) ids.push(uploadId)
  return ids
}

/** Reads an upload back from its start. */
export async function uploadBytes(store: BlobStore, uploadId: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  // A chunk is valid until the next one is asked for, hence the copy.
  for await (const chunk of store.readUpload(uploadId)) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** Throws unless the store is as empty as when it was made, but for the blobs named. */
export async function assertNoLeftovers({ store, leftovers }: OpenStore): Promise<void> {
  assert.deepEqual(await uploadIds(store), [], 'uploads are left over')
  assert.deepEqual((await leftovers?.()) ?? [], [], 'files or directories are left over')
}
