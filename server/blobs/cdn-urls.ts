/**
 * URLs of a CDN before an object store: the name of the object, until when the URL is good, and a signature over both.
 *
 * `hmac`: `<url>/<name>?expires=<seconds>&signature=<hex>`, the signature HMAC-SHA256 over `<path>\n<seconds>` under the shared key, `<path>` as it stands in
 * the URL. `cloudfront`: the canned policy of Amazon CloudFront (RSA, SHA-1, as it asks for). The path alone is what a cache goes by: a name never changes its bytes.
 */
import { createHmac, createPrivateKey, createSign, type KeyObject } from 'node:crypto'
import type { Clock } from '#lib/ports.ts'
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

/** Signs URLs. Throws for a key that is none. */
export function createCdnSigner({
  url,
  kind,
  key,
  keyId,
  clock,
  prefix,
}: CdnOptions): (name: string, lifetimeMs: number) => Promise<string> {
  const sign = kind === 'hmac' ? hmacSigner(key) : cloudFrontSigner(createPrivateKey(key), keyId)
  return async (name, lifetimeMs) => sign(`${url}/${encodePath(`${prefix}${name}`)}`, Math.ceil((clock.now() + lifetimeMs) / 1_000))
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
