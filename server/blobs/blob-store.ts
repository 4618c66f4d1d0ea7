/**
 * The contract of a blob store: bytes under keys, nothing else.
 *
 * The problem: layers are gigabytes, a crash must never leave half a blob under a key, and a delete must never hit the bytes of a later
 * upload. The way: bytes arrive in an upload of their own (`uploads/<id>`), hashed by the caller while they pass; `commit` makes them durable
 * and gives them their key, which is used once in the life of the store (see {@link newBlobKey}); what a key means is a row of the database,
 * never a listing of the store. To add a store: implement this interface, add it to the suite in test/drivers/ that every store runs, and
 * name it in `main.ts`.
 *
 * Errors: a store throws `RegistryError('STORAGE_FULL')` when there is no space, `RegistryError('UNAVAILABLE')` for what may pass, each with the foreign
 * error as `cause` and no path in its message; absence is `undefined`.
 */
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { digestAlgorithm, digestHex, type Digest } from '#oci/digest.ts'
import type { Random } from '#lib/ports.ts'

/** A place in a store, relative to its root, `/` between its parts: `blobs/<alg>/<2 hex>/<hex>/<generation>`, or `blobs/u/<2 hex>/<upload>` in an object store, or registry:2's `docker/registry/v2/blobs/…/data`. */
export type BlobKey = string & { readonly __brand: 'BlobKey' }

/** A key that no other blob, and no other generation of this digest, ever has. */
export function newBlobKey(digest: Digest, random: Random): BlobKey {
  const hex = digestHex(digest)
  return `blobs/${digestAlgorithm(digest)}/${hex.slice(0, 2)}/${hex}/${random.bytes(8).toString('hex')}` as BlobKey
}

/** The key that an upload of an object store ends at, however often its commit is tried: its bytes are there before their digest is known. */
export function uploadKey(uploadId: string): BlobKey {
  const shard = createHash('sha256').update(uploadId).digest('hex').slice(0, 2)
  return `blobs/u/${shard}/${uploadId}` as BlobKey
}

/** Whether the key is that of an upload: two attempts to commit it end at the same key, and what one of them leaves may be what the other needs. */
export function isUploadKey(key: string): boolean {
  return /^blobs\/u\/[0-9a-f]{2}\/[^/]+$/.test(key)
}

/** Bytes ready to be read. The reader closes it. */
export type OpenBlob =
  /** The whole blob in memory. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** An open file: read by position, then `handle.close()`. `sizeBytes` is what the file system says. */
  | {
      readonly kind: 'file'
      readonly handle: FileHandle
      readonly sizeBytes: number
      /** Of a copy: it is not what it should be, and what the store has is to be read instead. */
      readonly forget?: () => Promise<void>
    }
  /** Another server: `read` streams bytes `start` to `end` inclusive. */
  | {
      readonly kind: 'stream'
      readonly sizeBytes: number
      readonly read: (start: number, end: number, signal: AbortSignal) => Promise<Readable>
    }
  /** A URL where the client fetches the bytes itself. */
  | { readonly kind: 'redirect'; readonly url: string }

/** An upload open for appending. One at a time per upload id; the caller sees to that. */
export interface BlobWriter extends AsyncDisposable {
  /** Bytes handed over so far, from the start of the upload. */
  readonly offsetBytes: number
  /**
   * Appends. Chunks are written in order, one write in flight; the promise resolves when the queue is below its limit (back-pressure), so bytes
   * may still be on their way. The chunk belongs to the writer from then on. After an error every later call rejects with it.
   */
  write(chunk: Uint8Array): Promise<void>
  /** Resolves when every byte handed over is durable. A failed sync is final: it is never tried again on the same file. */
  sync(): Promise<void>
  /** Closing without `sync` keeps what was written as far as the system got; never throws. */
  [Symbol.asyncDispose](): Promise<void>
}

/** A key with bytes under it, as {@link BlobStore.list} meets it. */
export interface ListedKey {
  readonly key: BlobKey
  readonly sizeBytes: number
  /** Last change of the bytes, or of their name where the store can tell; milliseconds since the epoch. */
  readonly modifiedAt: number
}

/** Which part of a listing: `limit` bounds the work of one call, so a page may hold fewer keys, or none, and still have a `next`. */
export interface KeyListing {
  /** `next` of the page before. */
  readonly after?: string | undefined
  /** Only what lies below this directory of the store, such as the key's own without its last part. */
  readonly below?: string | undefined
  readonly limit: number
}

/** A page of keys; `next` is undefined on the last. */
export interface KeyPage {
  readonly keys: readonly ListedKey[]
  readonly next: string | undefined
}

/** How a blob is opened. */
export interface OpenOptions {
  /** Never a redirect. */
  readonly direct?: boolean
  /** What its row says of its size: a store far away then knows whether to ask for the bytes at once. */
  readonly expectedBytes?: number
  /** What the bytes hash to, where whoever asks for them knows: they may then come from a copy that was proved. */
  readonly digest?: Digest
}

/** Bytes under keys that are each used once. Safe for concurrent callers; two writers on one upload are the caller's to prevent. */
export interface BlobStore extends AsyncDisposable {
  /** Stands in the `store` column of a blob's row and in metrics: `filesystem`, `memory`, `s3`. */
  readonly name: string
  /** The key for the bytes of this upload: {@link newBlobKey}, or {@link uploadKey} where bytes cannot move once they are there. */
  keyFor(uploadId: string, digest: Digest, random: Random): BlobKey
  /** Opens upload `uploadId` for appending at `offsetBytes`, creating it when absent; what lies beyond the offset is cut off. */
  openUpload(uploadId: string, offsetBytes: number): Promise<BlobWriter>
  /** Bytes of the upload that are there now (made durable first), undefined when there is no such upload. */
  statUpload(uploadId: string): Promise<{ readonly sizeBytes: number } | undefined>
  /** Reads back an upload from its start, to hash it again after a restart. */
  readUpload(uploadId: string, signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** Gives the upload's bytes (already synced) their key, durably. The upload is gone afterwards. */
  commitUpload(uploadId: string, key: BlobKey): Promise<void>
  /** Forgets the upload and its bytes; absent is fine. */
  abortUpload(uploadId: string): Promise<void>
  /** Ids of all uploads with their last change, for the janitor that removes those without a row. */
  listUploads(): AsyncIterable<{ readonly uploadId: string; readonly modifiedAt: number }>
  /** Undefined when absent. */
  open(key: BlobKey, options?: OpenOptions): Promise<OpenBlob | undefined>
  stat(key: BlobKey): Promise<{ readonly sizeBytes: number } | undefined>
  /** Absent keys are fine. Empty directories left behind are removed where the store has directories. */
  delete(keys: readonly BlobKey[]): Promise<void>
  /**
   * Keys that have bytes, in an order that stays, a page at a time: for scrub, which compares them with the rows. What comes or goes meanwhile may be met
   * or not. Symbolic links are not followed, and what could be no key is left out.
   */
  list(listing: KeyListing): Promise<KeyPage>
  /** Throws `UNAVAILABLE` while the directory of the store is away, or another's lies in its place: one `stat`. Stores without a directory of their own have nothing to ask. */
  requireThere(): Promise<void>
  /** Why the store, where it is elsewhere, did not answer the latest request; undefined once it answers. A look that takes too long is told so. */
  lastFailure?(): Error | undefined
  /** Free and total bytes where the store can tell (a file system can, an object store cannot). */
  space(): Promise<{ readonly freeBytes: number; readonly totalBytes: number } | undefined>
}
