import assert from 'node:assert/strict'
import { createHmac, createVerify, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { createCdnSigner } from './cdn-urls.ts'

const clock = { now: () => 1_700_000_000_500 }
const common = { url: 'https://cdn.example.com/layers', keyId: 'K1', clock, prefix: 'registry/' }

test('an HMAC URL has a path that is the same for everyone, its end, and a signature over both', async () => {
  const url = new URL(await createCdnSigner({ ...common, kind: 'hmac', key: 'a shared secret of the CDN' })('blobs/u/ab/some id', 60_000))
  assert.equal(url.pathname, '/layers/registry/blobs/u/ab/some%20id')
  assert.equal(url.searchParams.get('expires'), '1700000061')
  const expected = createHmac('sha256', 'a shared secret of the CDN').update(`${url.pathname}\n1700000061`).digest('hex')
  assert.equal(url.searchParams.get('signature'), expected)
})

test('a CloudFront URL has the canned policy, signed as CloudFront asks', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const url = new URL(await createCdnSigner({ ...common, kind: 'cloudfront', key })('blobs/u/ab/id', 60_000))
  assert.equal(url.searchParams.get('Key-Pair-Id'), 'K1')
  const resource = `${url.origin}${url.pathname}`
  const policy = `{"Statement":[{"Resource":"${resource}","Condition":{"DateLessThan":{"AWS:EpochTime":1700000061}}}]}`
  const signature = (url.searchParams.get('Signature') ?? '').replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/')
  assert.ok(createVerify('RSA-SHA1').update(policy).verify(publicKey, signature, 'base64'))
})

test('a key that is none is refused at once', () => {
  assert.throws(() => createCdnSigner({ ...common, kind: 'cloudfront', key: 'no key' }), /no private key in PEM/u)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  assert.throws(() => createCdnSigner({ ...common, kind: 'cloudfront', key }), /none of RSA/u)
})

test('an empty or a short key of HMAC is refused: with it anybody signs', () => {
  assert.throws(() => createCdnSigner({ ...common, kind: 'hmac', key: '' }), /there is no key in it, and 16 are the least/u)
  assert.throws(() => createCdnSigner({ ...common, kind: 'hmac', key: 'fifteen bytes..' }), /its key has 15 bytes/u)
  createCdnSigner({ ...common, kind: 'hmac', key: 'sixteen bytes...' })
})
