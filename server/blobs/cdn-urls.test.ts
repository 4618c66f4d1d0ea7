import assert from 'node:assert/strict'
import { createHmac, createVerify, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { createCdnSigner } from './cdn-urls.ts'

const clock = { now: () => 1_700_000_000_500 }
const common = { url: 'https://cdn.example.com/layers', keyId: 'K1', clock, prefix: 'registry/' }

test('an HMAC URL has a path that is the same for everyone, its end, and a signature over both', async () => {
  const url = new URL(await createCdnSigner({ ...common, kind: 'hmac', key: 'secret' })('blobs/u/ab/some id', 60_000))
  assert.equal(url.pathname, '/layers/registry/blobs/u/ab/some%20id')
  assert.equal(url.searchParams.get('expires'), '1700000061')
  const expected = createHmac('sha256', 'secret').update(`${url.pathname}\n1700000061`).digest('hex')
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
  assert.throws(() => createCdnSigner({ ...common, kind: 'cloudfront', key: 'no key' }))
})
