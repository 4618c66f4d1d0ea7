/**
 * Secrets in rows (a provider's password, private keys, seeds of second factors), sealed under a key that is not in the database.
 *
 * AES-256-GCM with a random nonce. The context (which row, which column) is authenticated, so a sealed value moved to another row does not open. A
 * sealed value begins with a version byte and the id of its key, so keys can be changed one after the other: the first key seals, all open.
 */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import type { Random } from '#lib/ports.ts'

/** Seals and opens short secrets. */
export interface SecretBox {
  /** `context` says where the secret belongs, such as `provider/12`; only the same context opens it. */
  seal(secret: string, context: string): Buffer
  /** Throws {@link SealBroken} for what was not sealed by one of the keys for this context. */
  open(sealed: Uint8Array, context: string): string
  /** Whether the value was sealed by a key that is no longer the first. */
  isStale(sealed: Uint8Array): boolean
}

/** A sealed value that does not open: the wrong key, or a changed row. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken'

  constructor(context: string) {
    super(`the secret of ${context} cannot be opened: it was sealed under another key than those of secrets.keyfile, or it was changed`)
  }
}

const version = 1
const keyIdBytes = 4
const nonceBytes = 12
const tagBytes = 16
const headBytes = 1 + keyIdBytes + nonceBytes

/** Stands in each value that the key sealed. */
export function secretKeyId(key: Uint8Array): Buffer {
  return createHash('sha256').update('berth key id\0').update(key).digest().subarray(0, keyIdBytes)
}

/** `keys` are 32 bytes each; the first seals. */
export function createSecretBox(keys: readonly Uint8Array[], random: Pick<Random, 'bytes'>): SecretBox {
  const known = keys.map((key) => ({ key, id: secretKeyId(key) }))
  const [first] = known
  if (first === undefined || known.some(({ key }) => key.byteLength !== 32)) throw new Error('a secret box needs keys of 32 bytes')
  return {
    seal(secret, context) {
      const nonce = random.bytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', first.key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(context))
      return Buffer.concat([Buffer.from([version]), first.id, nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed)
      const found = known.find(({ id }) => id.equals(bytes.subarray(1, 1 + keyIdBytes)))
      if (bytes[0] !== version || found === undefined || bytes.length < headBytes + tagBytes) throw new SealBroken(context)
      const nonce = bytes.subarray(1 + keyIdBytes, headBytes)
      const decipher = createDecipheriv('aes-256-gcm', found.key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(context))
      decipher.setAuthTag(bytes.subarray(-tagBytes))
      try {
        return Buffer.concat([decipher.update(bytes.subarray(headBytes, -tagBytes)), decipher.final()]).toString('utf8')
      } catch (cause) {
        throw Object.assign(new SealBroken(context), { cause })
      }
    },
    isStale: (sealed) => !first.id.equals(Buffer.from(sealed).subarray(1, 1 + keyIdBytes)),
  }
}
