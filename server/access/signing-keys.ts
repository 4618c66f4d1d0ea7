/**
 * The keys that sign Berth's own bearer tokens: rows, so that every process signs and verifies alike.
 *
 * The first process that needs a key makes it; the transaction looks again, so that of several at once one key stays (and where two do, both verify, and the
 * newest signs). A retired key verifies what it signed before; that ends by itself, for no token lasts longer than a day. Deleting a key ends all its
 * tokens at once. Private keys are sealed; one that no longer opens (its secrets.keyfile is lost) is passed over and replaced.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, sign, type JsonWebKey, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { recordEvent } from '#events/record.ts'
import type { Who } from '#events/event.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import {
  deleteSigningKey,
  deleteSigningKeysRetiredBefore,
  insertSigningKey,
  retireSigningKeys,
  signingKeyRows,
  type SigningKeyRow,
} from '#metadata/signing-keys.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Directory } from './directory.ts'
import { EpochMemory, type AccessEpoch } from '#metadata/watch-access.ts'

/** How Berth signs. */
export type SigningAlgorithm = 'ES256' | 'RS256'

/** A key that tokens are checked with. */
export interface VerificationKey {
  readonly keyId: string
  readonly algorithm: SigningAlgorithm
  readonly publicKey: KeyObject
  /** Milliseconds; what was signed after it does not count. */
  readonly retiredAt: number | undefined
}

/** The key that tokens are signed with. */
export interface Signer {
  readonly keyId: string
  readonly algorithm: SigningAlgorithm
  sign(data: Buffer): Buffer | Promise<Buffer>
}

/** A key as people see it. */
export interface SigningKeyFacts {
  readonly keyId: string
  readonly algorithm: string
  readonly publicKey: JsonWebKey
  readonly createdAt: number
  readonly retiredAt: number | undefined
}

/** The longest that a token may last. */
export const longestLifetimeMs = 24 * 3_600_000
/** A token that has ended still finishes uploads for a day: its key must be there. Other processes may sign with a retired key for a second. */
const keptRetiredMs = 2 * longestLifetimeMs + 3_600_000

interface NewKey {
  readonly keyId: string
  readonly algorithm: SigningAlgorithm
  readonly publicKey: string
  readonly privateKey: Buffer
}

interface Change {
  readonly at: number
  readonly key: NewKey
}

const addFirst = accessTransaction(
  import.meta.url,
  'signing-keys/add-first',
  async (tx, { key, at, unusable }: Change & { readonly unusable: readonly string[] }) => {
    const rows = await signingKeyRows(tx)
    if (rows.some((row) => row.retiredAt === null && row.algorithm === key.algorithm && !unusable.includes(row.keyId))) return
    await insertSigningKey(tx, { ...key, at })
  },
)

const rotate = accessTransaction(import.meta.url, 'signing-keys/rotate', async (tx, { key, at, who }: Change & { readonly who: Who }) => {
  await deleteSigningKeysRetiredBefore(tx, at - keptRetiredMs)
  await insertSigningKey(tx, { ...key, at })
  const retired = await retireSigningKeys(tx, { exceptKeyId: key.keyId, at })
  const detail = { algorithm: key.algorithm, retired }
  await recordEvent(tx, { action: 'key.rotated', target: `key:${key.keyId}`, detail, at, ...who })
})

const remove = accessTransaction(
  import.meta.url,
  'signing-keys/remove',
  async (tx, { keyId, at, who }: { readonly keyId: string; readonly at: number; readonly who: Who }) => {
    if (!(await deleteSigningKey(tx, keyId))) throw new RegistryError('RESOURCE_UNKNOWN')
    await recordEvent(tx, { action: 'key.deleted', target: `key:${keyId}`, at, ...who })
  },
)

interface Ring {
  readonly byId: ReadonlyMap<string, VerificationKey>
  readonly signer: Signer | undefined
  /** Rows whose private keys do not open. */
  readonly unusable: readonly string[]
}

/** The keys as this process knows them: at most a second old. One per process. */
export class SigningKeys {
  readonly #directory: Directory
  readonly #algorithm: SigningAlgorithm
  readonly #ring: EpochMemory<Ring>

  constructor(directory: Directory, epoch: AccessEpoch, algorithm: SigningAlgorithm) {
    this.#directory = directory
    this.#algorithm = algorithm
    this.#ring = new EpochMemory(epoch, 1)
  }

  /** The key to sign with, made if there is none. */
  async signer(): Promise<Signer> {
    const { signer, unusable } = await this.#load()
    if (signer !== undefined) return signer
    const { metadata, ports, log } = this.#directory
    if (unusable.length > 0) log.warn({ keys: unusable }, 'signing keys cannot be opened with secrets.keyfile: another one is made')
    const key = await generateKey(this.#directory, this.#algorithm)
    await metadata.write(addFirst, { key, at: ports.clock.now(), unusable })
    const made = await this.#load()
    if (made.signer === undefined) throw new Error('a signing key that was just made cannot be used')
    return made.signer
  }

  /** Undefined for a key that is none of ours. Looked up by the exact id, whatever a token says there. */
  async find(keyId: string): Promise<VerificationKey | undefined> {
    return (await this.#load()).byId.get(keyId)
  }

  async #load(): Promise<Ring> {
    return (await this.#ring.get('', async () => this.#read(await signingKeyRows(this.#directory.metadata.reader)))) ?? emptyRing
  }

  #read(rows: readonly SigningKeyRow[]): Ring {
    const byId = new Map<string, VerificationKey>()
    const unusable: string[] = []
    let signer: Signer | undefined
    for (const row of rows) {
      const algorithm = algorithmOf(row)
      if (algorithm === undefined) continue
      const publicKey = createPublicKey({ key: JSON.parse(row.publicKey) as JsonWebKey, format: 'jwk' })
      byId.set(row.keyId, { keyId: row.keyId, algorithm, publicKey, retiredAt: row.retiredAt ?? undefined })
      if (signer !== undefined || row.retiredAt !== null || algorithm !== this.#algorithm) continue
      signer = this.#open(row, algorithm)
      if (signer === undefined) unusable.push(row.keyId)
    }
    return { byId, signer, unusable }
  }

  #open(row: SigningKeyRow, algorithm: SigningAlgorithm): Signer | undefined {
    try {
      const jwk = JSON.parse(this.#directory.secrets.open(row.privateKey, sealContext(row.keyId))) as JsonWebKey
      return signerOf(row.keyId, algorithm, createPrivateKey({ key: jwk, format: 'jwk' }))
    } catch (error) {
      this.#directory.log.error({ err: error, keyId: row.keyId }, 'a signing key cannot be used')
      return undefined
    }
  }
}

const emptyRing: Ring = { byId: new Map(), signer: undefined, unusable: [] }

const signAsync = promisify(sign)

/** ES256 takes 45 µs where it stands, less than handing it to another thread; RS256 takes a millisecond, which would hold up everybody. */
function signerOf(keyId: string, algorithm: SigningAlgorithm, privateKey: KeyObject): Signer {
  if (algorithm === 'RS256') return { keyId, algorithm, sign: (data) => signAsync('sha256', data, privateKey) }
  return { keyId, algorithm, sign: (data) => sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' }) }
}

function algorithmOf({ algorithm }: SigningKeyRow): SigningAlgorithm | undefined {
  return algorithm === 'ES256' || algorithm === 'RS256' ? algorithm : undefined
}

/** Where the sealed key belongs. */
export function sealContext(keyId: string): string {
  return `signing-key/${keyId}`
}

async function generateKey({ secrets }: Directory, algorithm: SigningAlgorithm): Promise<NewKey> {
  const { publicKey, privateKey } = await generatePair(algorithm)
  const jwk = publicKey.export({ format: 'jwk' })
  const keyId = thumbprint(jwk)
  const sealed = secrets.seal(JSON.stringify(privateKey.export({ format: 'jwk' })), sealContext(keyId))
  return { keyId, algorithm, publicKey: JSON.stringify(jwk), privateKey: sealed }
}

async function generatePair(algorithm: SigningAlgorithm): Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }> {
  if (algorithm === 'ES256') return await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  return await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
}

const thumbprintMembers: Readonly<Record<string, readonly (keyof JsonWebKey)[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  RSA: ['e', 'kty', 'n'],
  OKP: ['crv', 'kty', 'x'],
}

/** RFC 7638: SHA-256 of the members that make the key, in their one order. */
export function thumbprint(jwk: JsonWebKey): string {
  const members = thumbprintMembers[jwk.kty ?? ''] ?? []
  return createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]]))))
    .digest('base64url')
}

/** All keys, newest first, those that only verify included. */
export async function listSigningKeys({ metadata }: Pick<Directory, 'metadata'>): Promise<readonly SigningKeyFacts[]> {
  return (await signingKeyRows(metadata.reader)).map(({ keyId, algorithm, publicKey, createdAt, retiredAt }) => ({
    keyId,
    algorithm,
    publicKey: JSON.parse(publicKey) as JsonWebKey,
    createdAt,
    retiredAt: retiredAt ?? undefined,
  }))
}

/** The public keys as RFC 7517 writes them, for others that verify Berth's tokens. */
export async function signingKeySet(directory: Pick<Directory, 'metadata'>): Promise<{ readonly keys: readonly JsonWebKey[] }> {
  const keys = await listSigningKeys(directory)
  return { keys: keys.map(({ publicKey, keyId, algorithm }) => ({ ...publicKey, kid: keyId, alg: algorithm, use: 'sig' })) }
}

/** Makes a key that signs from now on; those before it verify what they signed until that has ended. Gives its id. */
export async function rotateSigningKey(directory: Directory, algorithm: SigningAlgorithm, who: Who): Promise<string> {
  const key = await generateKey(directory, algorithm)
  await directory.metadata.write(rotate, { key, at: directory.ports.clock.now(), who })
  return key.keyId
}

/** Removes a key: every token that it signed ends now. Throws RESOURCE_UNKNOWN. */
export async function removeSigningKey({ metadata, ports }: Directory, keyId: string, who: Who): Promise<void> {
  await metadata.write(remove, { keyId, at: ports.clock.now(), who })
}
