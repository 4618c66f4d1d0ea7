/** Proving a blob while it is read from its first byte to its last: for who sends it, to stop before the last piece. */
import { createDigestHash, digestAlgorithm, digestOfHash, type Digest } from './digest.ts'

/** The bytes that were read are not the blob's. */
export class DamagedBlobError extends Error {
  override readonly name = 'DamagedBlobError'

  constructor(digest: Digest) {
    super(`the bytes of ${digest} hash to something else`)
  }
}

/** Takes the pieces in order, and throws {@link DamagedBlobError} at the last one when all of them are not the blob. */
export function createProof({ digest, sizeBytes }: { readonly digest: Digest; readonly sizeBytes: number }): (piece: Uint8Array) => void {
  const algorithm = digestAlgorithm(digest)
  const hash = createDigestHash(algorithm)
  let remaining = sizeBytes
  return (piece) => {
    hash.update(piece)
    remaining -= piece.byteLength
    if (remaining === 0 && digestOfHash(algorithm, hash) !== digest) throw new DamagedBlobError(digest)
  }
}
