/**
 * Digests: `algorithm:hex`, the names of all content (image-spec descriptor.md, "Digests").
 * In memory and on the wire a digest is its text; in the database it is bytes, one for the algorithm and then the hash.
 */
import { createHash, type Hash } from 'node:crypto'

/** The text form, known to be of a registered algorithm and of its exact length, in lower case. */
export type Digest = string & { readonly __brand: 'Digest' }

/** The registered algorithms (image-spec descriptor.md, "Registered algorithms") that the registry takes. */
export type DigestAlgorithm = 'sha256' | 'sha512'

interface AlgorithmFacts {
  readonly hexLength: number
  /** First byte of the database form. Never renumber. */
  readonly code: number
}

const algorithms: Readonly<Record<DigestAlgorithm, AlgorithmFacts>> = {
  sha256: { hexLength: 64, code: 1 },
  sha512: { hexLength: 128, code: 2 },
}

const lowerHex = /^[0-9a-f]+$/

/** Undefined for an algorithm that the registry does not take. */
export function parseDigestAlgorithm(text: string): DigestAlgorithm | undefined {
  return text === 'sha256' || text === 'sha512' ? text : undefined
}

/** Undefined for anything that is not exactly `sha256:` + 64 or `sha512:` + 128 lower-case hex digits. */
export function parseDigest(text: string): Digest | undefined {
  const algorithm = parseDigestAlgorithm(text.slice(0, 6))
  if (algorithm === undefined || text[6] !== ':') return undefined
  const hex = text.slice(7)
  return hex.length === algorithms[algorithm].hexLength && lowerHex.test(hex) ? (text as Digest) : undefined
}

/** The part before the colon. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512') ? 'sha512' : 'sha256'
}

/** The part after the colon, in lower case. */
export function digestHex(digest: Digest): string {
  return digest.slice(7)
}

/** A running hash of the algorithm; close it with {@link digestOfHash}. */
export function createDigestHash(algorithm: DigestAlgorithm): Hash {
  return createHash(algorithm)
}

/** The digest of what the hash was fed with. Ends the hash: it cannot be fed afterwards. */
export function digestOfHash(algorithm: DigestAlgorithm, hash: Hash): Digest {
  return `${algorithm}:${hash.digest('hex')}` as Digest
}

/** Hashes on the calling thread, so for bytes that are few; streams use {@link createDigestHash}. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return digestOfHash(algorithm, createHash(algorithm).update(bytes))
}

/** The database form: one byte for the algorithm (1 sha256, 2 sha512), then the raw hash. */
export function digestToBytes(digest: Digest): Buffer {
  const bytes = Buffer.allocUnsafe(1 + digestHex(digest).length / 2)
  bytes[0] = algorithms[digestAlgorithm(digest)].code
  bytes.write(digestHex(digest), 1, 'hex')
  return bytes
}

/** The text of a database form; throws on bytes that {@link digestToBytes} did not write. */
export function digestFromBytes(bytes: Uint8Array): Digest {
  const algorithm = bytes[0] === algorithms.sha512.code ? 'sha512' : 'sha256'
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 1).toString('hex')
  const digest = parseDigest(`${algorithm}:${hex}`)
  if (digest === undefined || bytes[0] !== algorithms[algorithm].code) throw new Error('stored digest is malformed')
  return digest
}
