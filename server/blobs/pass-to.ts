/** A store in front of another: whoever changes some methods spreads this and writes those alone. */
import type { BlobStore } from './blob-store.ts'

/** The same store, each method as a property of its own. */
export function passTo(store: BlobStore): BlobStore {
  return {
    name: store.name,
    keyFor: (uploadId, digest, random) => store.keyFor(uploadId, digest, random),
    openUpload: (uploadId, offsetBytes) => store.openUpload(uploadId, offsetBytes),
    statUpload: (uploadId) => store.statUpload(uploadId),
    readUpload: (uploadId, signal) => store.readUpload(uploadId, signal),
    commitUpload: (uploadId, key) => store.commitUpload(uploadId, key),
    abortUpload: (uploadId) => store.abortUpload(uploadId),
    listUploads: () => store.listUploads(),
    open: (key, options) => store.open(key, options),
    stat: (key) => store.stat(key),
    delete: (keys) => store.delete(keys),
    list: (listing) => store.list(listing),
    requireThere: () => store.requireThere(),
    lastFailure: () => store.lastFailure?.(),
    space: () => store.space(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}
