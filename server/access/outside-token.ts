/**
 * `auth.token` of registry:2: bearer tokens of a token server that is not Berth's. Whoever it vouches for may do what the token says.
 *
 * Trusted are the keys of the certificates in `rootcertbundle` and of `jwks`, by three names: the `kid` of the JWK set, RFC 7638's thumbprint (registry:3)
 * and libtrust's fingerprint (registry:2, such as `ABCD:EFGH:…`); and keys of certificates that a token brings (`x5c`) when the chain leads to one of the
 * bundle. A key that a token brings by itself (`jwk`) or points to (`jku`, `x5u`) is nobody's.
 */
import { createHash, createPublicKey, X509Certificate, type JsonWebKey, type KeyObject } from 'node:crypto'
import { decodeProtectedHeader, jwtVerify, type JWTPayload } from 'jose'
import type { OutsideTokenConfig } from '#config/config.ts'
import { ByteLru } from '#lib/lru.ts'
import type { Ports } from '#lib/ports.ts'
import { rightsOfEntries, type ScopeEntry } from './docker-scope.ts'
import type { BearerIdentity, VerifyBearer } from './hooks.ts'
import { keySetOf } from './issuer-keys.ts'
import { thumbprint } from './signing-keys.ts'
import type { ProjectMap } from './locate.ts'

const leewaySeconds = 60
const tokenLengthMax = 48 * 1024
const chainMax = 10
const entriesMax = 1_000
const remembered = 10_000

interface Trust {
  readonly keys: ReadonlyMap<string, KeyObject>
  readonly roots: readonly X509Certificate[]
}

interface Verified {
  readonly name: string
  readonly access: readonly ScopeEntry[]
  readonly issuedAt: number
  readonly expiresAt: number
}

/** What outside tokens are verified with; `projects` gives the names by which repositories are known now. */
export interface OutsideParts {
  readonly ports: Pick<Ports, 'clock' | 'files'>
  readonly projects: Pick<ProjectMap, 'locate'>
}

/** Reads the keys. Rejects when a file cannot be read or holds none. */
export async function outsideVerifier(config: OutsideTokenConfig, { ports, projects }: OutsideParts): Promise<VerifyBearer> {
  const trust = await loadTrust(config, ports.files)
  const known = new ByteLru<Verified>({ maximumBytes: remembered, sizeOf: () => 1 })
  return async (token) => {
    const id = createHash('sha256').update(token).digest('base64')
    const verified = known.get(id) ?? (await verify(config, trust, { token, now: ports.clock.now() }))
    if (verified === undefined) return undefined
    known.set(id, verified)
    const limits = await rightsOfEntries(verified.access, async (name) => (await projects.locate(name)).repository)
    const { name, issuedAt, expiresAt } = verified
    return { owner: { kind: 'external', name }, limits, issuedAt, expiresAt } satisfies BearerIdentity
  }
}

async function loadTrust(config: OutsideTokenConfig, files: Ports['files']): Promise<Trust> {
  const roots = config.rootCertBundle === undefined ? [] : await readCertificates(config.rootCertBundle, files)
  const keys = new Map<string, KeyObject>()
  for (const { publicKey } of roots) addKey(keys, publicKey, undefined)
  if (config.jwks !== undefined) for (const jwk of await readKeySet(config.jwks, files)) addKey(keys, publicKeyOf(jwk), jwk.kid)
  if (keys.size === 0) throw new Error('auth.token: neither rootcertbundle nor jwks has a key')
  return { keys, roots }
}

async function readCertificates(file: string, files: Ports['files']): Promise<readonly X509Certificate[]> {
  const pem = await files.readFile(file, 'utf8')
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch (cause) {
    throw new Error(`auth.token.rootcertbundle: ${file} holds something else than certificates`, { cause })
  }
}

async function readKeySet(file: string, files: Ports['files']): Promise<readonly (JsonWebKey & { readonly kid?: string })[]> {
  const text = await files.readFile(file, 'utf8')
  try {
    return keySetOf(JSON.parse(text)).keys as readonly (JsonWebKey & { readonly kid?: string })[]
  } catch (cause) {
    throw new Error(`auth.token.jwks: ${file} holds no set of JSON web keys`, { cause })
  }
}

function publicKeyOf(jwk: JsonWebKey): KeyObject {
  return createPublicKey({ key: jwk, format: 'jwk' })
}

function addKey(keys: Map<string, KeyObject>, key: KeyObject, kid: string | undefined): void {
  keys.set(thumbprint(key.export({ format: 'jwk' })), key)
  keys.set(libtrustFingerprint(key), key)
  if (kid !== undefined) keys.set(kid, key)
}

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** libtrust's id of a key: the first 240 bits of the SHA-256 of its SubjectPublicKeyInfo in base32, in groups of four. */
export function libtrustFingerprint(key: KeyObject): string {
  const digest = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 30)
  let bits = ''
  for (const byte of digest) bits += byte.toString(2).padStart(8, '0')
  const letters = bits.match(/.{5}/g)?.map((five) => base32[Number.parseInt(five, 2)] ?? '') ?? []
  return letters.join('').match(/.{4}/g)?.join(':') ?? ''
}

interface Presented {
  readonly token: string
  readonly now: number
}

async function verify(config: OutsideTokenConfig, trust: Trust, { token, now }: Presented): Promise<Verified | undefined> {
  if (token.length > tokenLengthMax) return undefined
  try {
    const key = keyOf(decodeProtectedHeader(token), trust, now)
    if (key === undefined) return undefined
    const { payload } = await jwtVerify(token, key, {
      issuer: config.issuer,
      audience: config.service,
      algorithms: [...config.signingAlgorithms],
      clockTolerance: leewaySeconds,
      requiredClaims: ['exp'],
      currentDate: new Date(now),
    })
    return verifiedOf(payload)
  } catch {
    // Nothing in there touches anything but the token and a key: a key that does not fit the algorithm throws whatever WebCrypto throws.
    return undefined
  }
}

function verifiedOf({ sub = '', iat, nbf, exp = 0, access }: JWTPayload): Verified {
  const end = (exp + leewaySeconds) * 1000
  return { name: sub, access: entriesOf(access), issuedAt: (iat ?? nbf ?? exp) * 1000, expiresAt: end }
}

/** What has another form gives nothing. */
function entriesOf(access: unknown): readonly ScopeEntry[] {
  if (!Array.isArray(access)) return []
  return (access.slice(0, entriesMax) as readonly unknown[]).flatMap((entry) => {
    const { type, name, actions } = (entry ?? {}) as Readonly<Record<string, unknown>>
    if (typeof type !== 'string' || typeof name !== 'string' || !Array.isArray(actions)) return []
    return [{ type, name, actions: actions.filter((action) => typeof action === 'string') }]
  })
}

function keyOf(header: { readonly kid?: unknown; readonly x5c?: unknown }, trust: Trust, now: number): KeyObject | undefined {
  if (Array.isArray(header.x5c) && header.x5c.length > 0) return keyOfChain(header.x5c, trust.roots, now)
  return typeof header.kid === 'string' ? trust.keys.get(header.kid) : undefined
}

/** The first certificate's key, when each is signed by the next and the last by one of the roots (or is one), all of them valid now. */
function keyOfChain(x5c: readonly unknown[], roots: readonly X509Certificate[], now: number): KeyObject | undefined {
  if (x5c.length > chainMax || !x5c.every((each) => typeof each === 'string')) return undefined
  const chain = parseChain(x5c)
  const [leaf] = chain
  if (leaf === undefined || !chain.every((certificate) => isValidAt(certificate, now))) return undefined
  for (const [at, certificate] of chain.entries()) {
    const root = roots.find((each) => each.fingerprint256 === certificate.fingerprint256 || isIssuedBy(certificate, each))
    if (root !== undefined) return isValidAt(root, now) ? leaf.publicKey : undefined
    const next = chain[at + 1]
    if (next === undefined || !next.ca || !isIssuedBy(certificate, next)) return undefined
  }
  return undefined
}

function parseChain(x5c: readonly string[]): readonly X509Certificate[] {
  try {
    return x5c.map((each) => new X509Certificate(Buffer.from(each, 'base64')))
  } catch {
    return []
  }
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

function isValidAt({ validFromDate, validToDate }: X509Certificate, now: number): boolean {
  return validFromDate.getTime() <= now && now <= validToDate.getTime()
}
