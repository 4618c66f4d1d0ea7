/** The names that a store accepts, checked in every store alike: an id or a key never leads out of its place. */
import assert from 'node:assert'
import { RegistryError } from '#oci/errors.ts'
import type { BlobKey } from './blob-store.ts'

const uploadId = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/
const keyCharactersMax = 1024

/** The file that tells a store in a directory from an empty directory; see store-mark.ts. */
export const markName = 'blobs/.berth-store'

/** An upload id is one plain word. */
export function isUploadId(text: string): boolean {
  return uploadId.test(text)
}

/** Throws `BLOB_UPLOAD_UNKNOWN` for an id that no upload can have: ids come from the wire. */
export function checkUploadId(text: string): void {
  if (!isUploadId(text)) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
}

/** Directories of a store in which there are no blobs: uploads, and the journal (features/journal.ts). */
const others: ReadonlySet<string> = new Set(['uploads', 'journal'])

function isPlain(part: string): boolean {
  return part !== '' && part !== '.' && part !== '..' && !part.includes('\0') && !part.includes('\\')
}

/** Whether a store can have bytes under this name. */
export function isKey(text: string): text is BlobKey {
  const parts = text.split('/')
  return (
    text.length <= keyCharactersMax && parts.length > 1 && parts.every(isPlain) && !others.has(parts[0] ?? '') && !text.startsWith(markName)
  )
}

/** Keys come from the database: one that leads out of the store, or among the uploads, is a broken invariant. */
export function checkKey(key: BlobKey): void {
  assert(isKey(key), 'malformed blob key')
}

/** A directory of keys, as a listing is asked for it. */
export function checkDirectory(directory: string): void {
  assert(isKey(`${directory}/key`), 'malformed directory of blob keys')
}
