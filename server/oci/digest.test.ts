import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  createDigestHash,
  digestAlgorithm,
  digestFromBytes,
  digestHex,
  digestOf,
  digestOfHash,
  digestToBytes,
  parseDigest,
  parseDigestAlgorithm,
  type Digest,
} from './digest.ts'

const hex64 = '0123456789abcdef'.repeat(4)
const hex128 = hex64.repeat(2)

suite('parseDigest', () => {
  test('takes sha256 with 64 and sha512 with 128 lower-case hex digits, as written', () => {
    for (const text of [`sha256:${hex64}`, `sha512:${hex128}`]) assert.equal(parseDigest(text), text)
  })

  const refused = {
    'nothing at all': '',
    'an algorithm without a hash': 'sha256:',
    'no algorithm': hex64,
    'a hash that is one digit short': `sha256:${hex64.slice(1)}`,
    'a hash that is one digit long': `sha256:${hex64}0`,
    'a short form as Docker shows it': 'sha256:0123456789ab',
    'upper-case digits': `sha256:${hex64.toUpperCase()}`,
    'one upper-case digit': `sha256:${hex64.slice(1)}A`,
    'an upper-case algorithm': `SHA256:${hex64}`,
    'the length of sha512 under sha256': `sha256:${hex128}`,
    'the length of sha256 under sha512': `sha512:${hex64}`,
    md5: 'md5:d41d8cd98f00b204e9800998ecf8427e',
    sha1: `sha1:${'0'.repeat(40)}`,
    sha384: `sha384:${'0'.repeat(96)}`,
    blake3: `blake3:${hex64}`,
    'an algorithm that only begins like sha256': `sha256b:${hex64}`,
    'an algorithm with parts': `sha256+b64:${hex64}`,
    'another separator': `sha256-${hex64}`,
    'two separators': `sha256::${hex64.slice(1)}`,
    'a line break at the end': `sha256:${hex64}\n`,
    'a line break in place of the last digit': `sha256:${hex64.slice(1)}\n`,
    'a line break at the start': `\nsha256:${hex64}`,
    'a space at the end': `sha256:${hex64} `,
    'a NUL': `sha256:${hex64.slice(1)}\0`,
    'a path traversal of the right length': `sha256:${'../'.repeat(21)}a`,
    'a path traversal in the algorithm': `../../:${hex64}`,
    'an encoded colon': `sha256%3A${hex64}`,
    'digits of another script': `sha256:${'٣'.repeat(64)}`,
    'full-width letters': `sha256:${'ａ'.repeat(64)}`,
    'the name of an inherited property': `__proto__:${hex64}`,
    'the word in the conformance suite': 'sha256:baddigeststring',
    'a megabyte of digits': `sha256:${'0'.repeat(1_000_000)}`,
  }
  for (const [what, text] of Object.entries(refused)) test(`refuses ${what}`, () => assert.equal(parseDigest(text), undefined))

  test('never takes what is not exactly the form', () => {
    const exact = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => assert.equal(parseDigest(text) !== undefined, exact.test(text))))
  })
})

suite('parseDigestAlgorithm', () => {
  test('knows the registered algorithms by their exact names', () => {
    assert.deepEqual(
      ['sha256', 'sha512', 'SHA256', 'sha-256', 'md5', 'blake3', '', 'constructor'].map((text) => parseDigestAlgorithm(text)),
      ['sha256', 'sha512', undefined, undefined, undefined, undefined, undefined, undefined],
    )
  })
})

suite('digestOf', () => {
  test('gives the known digest of nothing and of the empty JSON object', () => {
    assert.equal(digestOf(new Uint8Array()), 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    assert.equal(digestOf(Buffer.from('{}')), 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')
  })

  test('sha512 is what node:crypto says', () => {
    const bytes = Buffer.from('layer')
    assert.equal(digestOf(bytes, 'sha512'), `sha512:${createHash('sha512').update(bytes).digest('hex')}`)
  })

  test('a running hash ends at the digest of the whole', () => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const hash = createDigestHash(algorithm).update('la').update('yer')
      assert.equal(digestOfHash(algorithm, hash), digestOf(Buffer.from('layer'), algorithm))
    }
  })

  test('its result is a digest, whose parts are the algorithm and the hash', () => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const digest = digestOf(Buffer.from('layer'), algorithm)
      assert.equal(parseDigest(digest), digest)
      assert.equal(`${digestAlgorithm(digest)}:${digestHex(digest)}`, digest)
    }
  })
})

suite('the database form of a digest', () => {
  test('is one byte for the algorithm and the raw hash', () => {
    assert.deepEqual(digestToBytes(`sha256:${hex64}` as Digest), Buffer.from(`01${hex64}`, 'hex'))
    assert.deepEqual(digestToBytes(`sha512:${hex128}` as Digest), Buffer.from(`02${hex128}`, 'hex'))
  })

  test('gives the text back, also from the middle of a larger buffer', () => {
    for (const digest of [`sha256:${hex64}`, `sha512:${hex128}`] as Digest[]) {
      const bytes = digestToBytes(digest)
      assert.equal(digestFromBytes(bytes), digest)
      const page = Buffer.concat([Buffer.alloc(5, 0xff), bytes, Buffer.alloc(5, 0xff)])
      assert.equal(digestFromBytes(page.subarray(5, 5 + bytes.length)), digest)
      assert.equal(digestFromBytes(new Uint8Array(bytes)), digest)
    }
  })

  test('throws on bytes of no digest', () => {
    const good = digestToBytes(`sha256:${hex64}` as Digest)
    const malformed = {
      empty: Buffer.alloc(0),
      'the algorithm alone': good.subarray(0, 1),
      short: good.subarray(0, 32),
      long: Buffer.concat([good, Buffer.alloc(1)]),
      'an unknown algorithm': Buffer.concat([Buffer.from([3]), good.subarray(1)]),
      'algorithm zero': Buffer.concat([Buffer.from([0]), good.subarray(1)]),
      'sha512 of the length of sha256': Buffer.concat([Buffer.from([2]), good.subarray(1)]),
    }
    for (const [what, bytes] of Object.entries(malformed)) assert.throws(() => digestFromBytes(bytes), Error, what)
  })
})
