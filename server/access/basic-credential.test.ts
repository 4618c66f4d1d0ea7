import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { basicChallenge, parseBasicCredential } from './basic-credential.ts'
import { basic } from './test-parts.ts'

const encode = (bytes: string | Uint8Array) => `Basic ${Buffer.from(bytes).toString('base64')}`

suite('a Basic header', () => {
  test('gives name and password, split at the first colon', () => {
    assert.deepEqual(parseBasicCredential(basic('alice', 'a:b:c')), { name: 'alice', password: 'a:b:c' })
  })

  test('may have its scheme in any case and several spaces', () => {
    assert.deepEqual(parseBasicCredential(`bAsIc   ${basic('a', 'b').slice(6)} `), { name: 'a', password: 'b' })
  })

  test('may hold any Unicode text, a byte order mark included', () => {
    assert.deepEqual(parseBasicCredential(basic('\uFEFFälïce', 'пароль🔑')), { name: '\uFEFFälïce', password: 'пароль🔑' })
  })

  test('may come without a name, for a token says whose it is', () => {
    assert.deepEqual(parseBasicCredential(encode(':secret')), { name: '', password: 'secret' })
  })

  const malformed: Record<string, string> = {
    'without credentials': 'Basic',
    'with an empty credential': 'Basic ',
    'of another scheme': 'Bearer YTpi',
    'without padding': 'Basic YTpiYw',
    'with wrong padding': 'Basic YTpi=',
    'with characters outside of base64': 'Basic YTp*',
    'with URL-safe base64': 'Basic YTo_-w==',
    'with two credentials': 'Basic YTpi YTpi',
    'with several headers joined': 'Basic YTpi, Basic YTpi',
    'without a colon': encode('alice'),
    'without a password': encode('alice:'),
    'that is not UTF-8': encode(Uint8Array.of(0x61, 0x3a, 0xff, 0xfe)),
    'with an overlong UTF-8 colon': encode(Uint8Array.of(0x61, 0xc0, 0xba, 0x62)),
    'with a NUL in the password': encode('alice:sec\0ret'),
    'with a line end in the name': encode('ali\nce:secret'),
    'that is too long': basic('alice', 'x'.repeat(20_000)),
    empty: '',
  }
  for (const [name, header] of Object.entries(malformed)) {
    test(`${name} counts as none`, () => assert.equal(parseBasicCredential(header), undefined))
  }

  test('of a megabyte is refused at once', () => {
    const started = performance.now()
    assert.equal(parseBasicCredential(`Basic ${' '.repeat(500_000)}${'A'.repeat(500_000)}`), undefined)
    assert.ok(performance.now() - started < 50)
  })
})

test('a realm is quoted in the challenge', () => {
  assert.equal(basicChallenge('My "own" \\ realm'), 'Basic realm="My \\"own\\" \\\\ realm"')
})
