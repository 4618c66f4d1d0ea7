/**
 * What of a set of JSON web keys can verify a token. Each key is looked for as a token would have it looked for, and imported: what merely stands in the
 * list may be of another kind, for encryption, too short, or no key at all.
 */
import { createLocalJWKSet, type CompactJWSHeaderParameters, type FlattenedJWSInput, type JWK } from 'jose'
import { keySetOf } from './issuer-keys.ts'

/** What a set is worth. */
export interface KeysFound {
  readonly all: number
  readonly usable: number
  /** A sentence about the first one that is of no use. */
  readonly fault: string | undefined
}

/** Every algorithm that a token may be signed with. */
export const allAlgorithms: readonly string[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']

const rsaBitsMin = 2048
const notASet = 'is no set of JSON web keys: {"keys": [...]} is expected'

/** Throws an Error with the rest of a sentence where the value is no set, or no key of it can verify. */
export async function requireUsableKeys(value: unknown, algorithms: readonly string[]): Promise<KeysFound> {
  const found = await findKeys(value, algorithms)
  if (found.all === 0) throw new Error('has no keys in it')
  if (found.usable === 0) throw new Error(`has no key that can verify a token: ${found.fault ?? ''}`)
  return found
}

/** The same of a text, of which nothing is repeated. */
export async function requireUsableKeyText(text: string, algorithms: readonly string[]): Promise<KeysFound> {
  return await requireUsableKeys(parsed(text), algorithms)
}

/** Undefined, which is no set of keys, for what is no JSON: the parser's message would have pieces of the text in it. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

async function findKeys(value: unknown, algorithms: readonly string[]): Promise<KeysFound> {
  const keys = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : undefined
  if (!Array.isArray(keys)) throw new Error(notASet)
  const known = knownKeys(value)
  const faults: string[] = []
  for (const [index, key] of (keys as unknown[]).entries()) {
    const fault = known.has(key) ? await faultOf(key as JWK, algorithms) : 'its kty is none of RSA, EC and OKP'
    if (fault !== undefined) faults.push(`key ${index + 1}: ${fault}`)
  }
  return { all: keys.length, usable: keys.length - faults.length, fault: faults[0] }
}

function knownKeys(value: unknown): ReadonlySet<unknown> {
  try {
    return new Set(keySetOf(value).keys)
  } catch (cause) {
    throw new Error('has more keys than are looked at', { cause })
  }
}

/** Undefined for a key that one of the algorithms finds and can use. */
async function faultOf(key: JWK, algorithms: readonly string[]): Promise<string | undefined> {
  const find = createLocalJWKSet({ keys: [key] })
  const kid = typeof key.kid === 'string' ? { kid: key.kid } : {}
  let fault = `it does not fit the algorithms ${algorithms.join(', ')}`
  for (const alg of algorithms) {
    try {
      const imported = await find({ ...kid, alg } as CompactJWSHeaderParameters, noToken)
      const bits = (imported.algorithm as { readonly modulusLength?: number }).modulusLength
      if (bits === undefined || bits >= rsaBitsMin) return undefined
      fault = `it has ${bits} bits: ${rsaBitsMin} are needed`
    } catch (error) {
      // What jose cannot find did not fit; all else was found, and then could not be read.
      const isUnfit = (error as { readonly code?: unknown } | null)?.code === 'ERR_JWKS_NO_MATCHING_KEY'
      if (!isUnfit) fault = 'd' in key ? 'it is a private key: give the public one' : 'it cannot be read'
    }
  }
  return fault
}

const noToken: FlattenedJWSInput = { payload: '', signature: '' }
