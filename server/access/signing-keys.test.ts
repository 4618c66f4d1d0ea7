import assert from 'node:assert/strict'
import { createPublicKey, verify, type JsonWebKey } from 'node:crypto'
import { test } from 'node:test'
import { createSecretBox } from './secret-box.ts'
import { watchAccess } from '#metadata/watch-access.ts'
import { listSigningKeys, removeSigningKey, rotateSigningKey, signingKeySet, SigningKeys, thumbprint } from './signing-keys.ts'
import { refusedAs } from './test-acting.ts'
import { makeTestDirectory, testWho, type TestDirectory } from './test-vouched.ts'

function keysOf(bare: TestDirectory, algorithm: 'ES256' | 'RS256' = 'ES256', secrets = bare.secrets) {
  const { metadata, epoch } = watchAccess(bare.metadata, bare.ports.clock)
  const directory = { ...bare, metadata, secrets }
  return { directory, keys: new SigningKeys(directory, epoch, algorithm) }
}

test('the first need makes a key, and processes that need one at once agree', async () => {
  await using bare = await makeTestDirectory()
  const processes = Array.from({ length: 5 }, () => keysOf(bare).keys)
  const signers = await Promise.all(processes.map((keys) => keys.signer()))
  assert.equal(new Set(signers.map(({ keyId }) => keyId)).size, 1)
  assert.equal((await listSigningKeys(bare)).length, 1)
})

for (const algorithm of ['ES256', 'RS256'] as const) {
  test(`what ${algorithm} signs, the published key verifies; its id is its thumbprint`, async () => {
    await using bare = await makeTestDirectory()
    const { keys } = keysOf(bare, algorithm)
    const signer = await keys.signer()
    const data = Buffer.from('data')
    const signature = await signer.sign(data)
    const [jwk] = (await signingKeySet(bare)).keys as readonly (JsonWebKey & { readonly kid: string; readonly alg: string })[]
    assert.ok(jwk)
    assert.deepEqual([jwk.kid, jwk.alg, thumbprint(jwk)], [signer.keyId, algorithm, signer.keyId])
    assert.ok(['d', 'p', 'q', 'k'].every((secret) => !(secret in jwk)))
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    assert.ok(verify('sha256', data, algorithm === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key, signature))
  })
}

test('RFC 7638’s example has the thumbprint that the RFC says', () => {
  const n =
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'
  assert.equal(thumbprint({ kty: 'RSA', n, e: 'AQAB' }), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
})

test('another algorithm in the configuration gets a key beside the first', async () => {
  await using bare = await makeTestDirectory()
  const first = await keysOf(bare).keys.signer()
  const second = await keysOf(bare, 'RS256').keys.signer()
  assert.deepEqual([first.algorithm, second.algorithm], ['ES256', 'RS256'])
  assert.equal((await keysOf(bare).keys.signer()).keyId, first.keyId)
})

test('a rotation is seen by this process at once and by others within a second', async () => {
  await using bare = await makeTestDirectory()
  const here = keysOf(bare)
  const there = keysOf(bare)
  const before = await here.keys.signer()
  await there.keys.signer()
  const keyId = await rotateSigningKey(here.directory, 'ES256', testWho)
  assert.equal((await here.keys.signer()).keyId, keyId)
  bare.advance(1_001)
  assert.equal((await there.keys.signer()).keyId, keyId)
  assert.ok((await there.keys.find(before.keyId))?.retiredAt)
  await removeSigningKey(here.directory, before.keyId, testWho)
  assert.equal(await here.keys.find(before.keyId), undefined)
  await assert.rejects(removeSigningKey(here.directory, before.keyId, testWho), refusedAs('RESOURCE_UNKNOWN'))
  for (const odd of ['', '__proto__', '../../dev/null', "' or 1=1"]) assert.equal(await here.keys.find(odd), undefined)
})

test('keys that were retired long ago go with the next rotation', async () => {
  await using bare = await makeTestDirectory()
  const { directory } = keysOf(bare)
  const first = await rotateSigningKey(directory, 'ES256', testWho)
  const second = await rotateSigningKey(directory, 'ES256', testWho)
  bare.advance(3 * 86_400_000)
  const third = await rotateSigningKey(directory, 'ES256', testWho)
  assert.deepEqual(
    (await listSigningKeys(bare)).map(({ keyId }) => keyId),
    [third, second],
  )
  assert.notEqual(first, second)
})

test('a key that no longer opens is replaced, and told of in the log', async () => {
  await using bare = await makeTestDirectory()
  const lost = await keysOf(bare).keys.signer()
  const other = keysOf(bare, 'ES256', createSecretBox([Buffer.alloc(32, 9)], bare.ports.random))
  const made = await other.keys.signer()
  assert.notEqual(made.keyId, lost.keyId)
  assert.ok(bare.lines.some((line) => line.includes('secrets.keyfile')))
  assert.ok(await other.keys.find(lost.keyId), 'what it signed still counts')
})

test('private keys are nowhere in the database or the log in plain text', async () => {
  await using bare = await makeTestDirectory()
  await keysOf(bare).keys.signer()
  const rows = await bare.metadata.reader.selectFrom('signing_keys').selectAll().execute()
  for (const row of rows) assert.ok(!row.private_key.toString('latin1').includes('"d"') && !row.public_key.includes('"d"'))
  assert.ok(!bare.lines.join('').includes('"d"'))
})
