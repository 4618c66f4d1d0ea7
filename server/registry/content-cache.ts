/**
 * Immutable bytes by digest: manifests, and blobs up to {@link cachedBlobBytes} (configs, signatures, small SBOMs). Only bytes that were proved
 * by their digest come in, and what they mean to whom (is it in this repository?) is read from the database every time.
 */
import { ByteLru } from '#lib/lru.ts'
import type { Digest } from '#oci/digest.ts'

/** Larger blobs are sent from the store. */
export const cachedBlobBytes = 64 * 1024

/** Bounded by bytes; what was used longest ago goes first. A bound of 0 switches it off. */
export class ContentCache {
  readonly #bytes: ByteLru<Uint8Array>

  constructor(maximumBytes: number) {
    this.#bytes = new ByteLru({ maximumBytes, sizeOf: (bytes) => bytes.byteLength })
  }

  get(digest: Digest): Uint8Array | undefined {
    return this.#bytes.get(digest)
  }

  /** The caller has proved that the bytes hash to the digest, and does not change them afterwards. */
  set(digest: Digest, bytes: Uint8Array): void {
    // A view of a larger buffer (a request's chunk, Node's pool) would keep all of it in memory.
    this.#bytes.set(digest, bytes.byteLength < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes)
  }

  delete(digest: Digest): void {
    this.#bytes.delete(digest)
  }
}
