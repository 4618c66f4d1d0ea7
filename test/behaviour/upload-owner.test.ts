import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { hashSync } from 'bcryptjs'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { basicAuthorization } from '../support/http-client.ts'
import { digestOfBytes, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import { closing, offsetOf, startUpload } from '../support/upload.ts'

test('an upload is of the one who began it: to everyone else it does not exist, whoever knows its URL', async () => {
  await using berth = await startBerth({ users: { alice: 'first', bob: 'second' } })
  const alice = registryClient(berth.url, { authorization: basicAuthorization('alice', 'first') })
  const bob = registryClient(berth.url, { authorization: basicAuthorization('bob', 'second') })
  const bytes = randomBytes(200_000)
  const digest = digestOfBytes(bytes)
  const upload = await startUpload(alice, berth.url, 'owned/app')
  assert.equal((await alice.send(upload, { method: 'PATCH', body: bytes.subarray(0, 100_000) })).status, 202)
  for (const [method, url, body] of [
    ['GET', upload, undefined],
    ['PATCH', upload, randomBytes(1000)],
    ['PUT', closing(upload, digest), bytes.subarray(100_000)],
    ['DELETE', upload, undefined],
  ] as const) {
    const request = body === undefined ? { method } : { method, body }
    const answer = await bob.send(url, request)
    assert.equal(answer.status, 404, `${method} of another user`)
    assert.match(answer.body.toString(), /BLOB_UPLOAD_UNKNOWN/u)
    assert.equal((await registryClient(berth.url).send(url, request)).status, 401, `${method} of nobody`)
  }
  assert.equal(offsetOf((await alice.send(upload)).headers.range), 100_000, 'nothing happened to it')
  assert.equal((await alice.send(closing(upload, digest), { method: 'PUT', body: bytes.subarray(100_000) })).status, 201)
  assert.deepEqual(await alice.pullBlob('owned/app', digest), bytes)
})

test('an upload outlives the password it was begun with: it belongs to the name', async () => {
  await using berth = await startBerth({ users: { alice: 'first' } })
  const before = registryClient(berth.url, { authorization: basicAuthorization('alice', 'first') })
  const bytes = randomBytes(50_000)
  const upload = await startUpload(before, berth.url, 'owned/rotated')
  assert.equal((await before.send(upload, { method: 'PATCH', body: bytes })).status, 202)
  await writeFile(join(dirname(berth.configFile), 'htpasswd'), `alice:${hashSync('second', 4).replace('$2b$', '$2y$')}\n`)
  const after = registryClient(berth.url, { authorization: basicAuthorization('alice', 'second') })
  await until('the new password counts', async () => (await after.send('/v2/')).status === 200)
  assert.equal((await before.send(upload)).status, 401)
  assert.equal((await after.send(closing(upload, digestOfBytes(bytes)), { method: 'PUT', body: '' })).status, 201)
})
