/** The text of Berth's own JWTs (RFC 7515 compact form), strictly: one way to write each, and nothing in a header that would have to be understood. */
import { verify } from 'node:crypto'
import type { VerificationKey } from './signing-keys.ts'

/** A token taken apart, of which nothing is believed yet. */
export interface ParsedJwt {
  readonly keyId: string
  readonly algorithm: string
  readonly claims: unknown
  /** What the signature is of. */
  readonly signed: Buffer
  readonly signature: Buffer
}

/** A part of a token. */
export function encodePart(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Undefined for what is none, or asks for an extension (`crit`). `jwk`, `x5c`, `jku` and `x5u` are not read. */
export function parseJwt(token: string): ParsedJwt | undefined {
  const [head = '', body = '', signatureText = '', ...more] = token.split('.')
  const header = decodePart(head)
  const claims = decodePart(body)
  const signature = canonicalBytes(signatureText)
  if (more.length > 0 || header === undefined || claims === undefined || signature === undefined) return undefined
  const { alg, kid, crit } = header
  if (typeof alg !== 'string' || typeof kid !== 'string' || crit !== undefined) return undefined
  return { keyId: kid, algorithm: alg, claims, signed: Buffer.from(`${head}.${body}`), signature }
}

/** Whether the key made the signature. The algorithm is the key's own: a token that names another is refused. */
export function isSignedBy(key: VerificationKey, { algorithm, signed, signature }: ParsedJwt): boolean {
  if (algorithm !== key.algorithm) return false
  const verifier = key.algorithm === 'ES256' ? { key: key.publicKey, dsaEncoding: 'ieee-p1363' as const } : key.publicKey
  return verify('sha256', signed, verifier, signature)
}

/** An object, or undefined. */
function decodePart(part: string): Readonly<Record<string, unknown>> | undefined {
  const bytes = canonicalBytes(part)
  if (bytes === undefined) return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}

/** Only the one way to write the bytes counts, so that one token has one text. */
function canonicalBytes(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : undefined
}
