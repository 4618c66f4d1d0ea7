/**
 * URLs of a CDN before an object store: the name of the object, until when the URL is good, and a signature over both.
 *
 * `hmac`: `<url>/<name>?expires=<seconds>&signature=<hex>`, the signature HMAC-SHA256 over `<path>\n<seconds>` under the shared key, `<path>` as it stands in
 * the URL. `cloudfront`: the canned policy of Amazon CloudFront (RSA, SHA-1, as it asks for). The path alone is what a cache goes by: a name never changes its bytes.
 */
import { createHmac, createPrivateKey, createSign, type KeyObject } from 'node:crypto'
import type { Clock } from '#lib/ports.ts'
import { cdnKeyBytesMin } from '#config/keys-object-stores.ts'
import { encodePath } from './s3-sign.ts'

/** What signs. `key`: the shared key, or the private key in PEM. */
export interface CdnOptions {
  readonly url: string
  readonly kind: 'hmac' | 'cloudfront'
  readonly key: string
  /** Of CloudFront's key pair. */
  readonly keyId: string
  readonly clock: Pick<Clock, 'now'>
  /** Before the name in the store, as in the bucket. */
  readonly prefix: string
}

/** Signs URLs. Throws one clause for a key that is none, or one that can be guessed. */
export function createCdnSigner({
  url,
  kind,
  key,
  keyId,
  clock,
  prefix,
}: CdnOptions): (name: string, lifetimeMs: number) => Promise<string> {
  const sign = kind === 'hmac' ? hmacSigner(requireLong(key)) : cloudFrontSigner(readPrivateKey(key), keyId)
  return async (name, lifetimeMs) => sign(`${url}/${encodePath(`${prefix}${name}`)}`, Math.ceil((clock.now() + lifetimeMs) / 1_000))
}

function requireLong(key: string): string {
  const bytes = Buffer.byteLength(key)
  if (bytes >= cdnKeyBytesMin) return key
  const what = bytes === 0 ? 'there is no key in it' : `its key has ${bytes} bytes`
  throw new Error(`${what}, and ${cdnKeyBytesMin} are the least: with a shorter one others can sign URLs`)
}

function readPrivateKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'rsa') return key
  } catch (cause) {
    throw new Error('it has no private key in PEM', { cause })
  }
  throw new Error('its private key is none of RSA, which CloudFront asks for')
}

function hmacSigner(key: string) {
  return (url: string, expires: number): string => {
    const signature = createHmac('sha256', key)
      .update(`${new URL(url).pathname}\n${expires}`)
      .digest('hex')
    return `${url}?expires=${expires}&signature=${signature}`
  }
}

function cloudFrontSigner(key: KeyObject, keyId: string) {
  return (url: string, expires: number): string => {
    const policy = `{"Statement":[{"Resource":"${url}","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`
    const signature = createSign('RSA-SHA1').update(policy).sign(key, 'base64')
    const safe = signature.replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~')
    return `${url}?Expires=${expires}&Signature=${safe}&Key-Pair-Id=${encodeURIComponent(keyId)}`
  }
}
