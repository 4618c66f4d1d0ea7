import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { testDialect } from '#metadata/test-postgres.ts'
import { digestOfBytes, pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { closing, offsetOf, openPatch, startUpload } from '../support/upload.ts'
import { violationsOf } from '../support/violations.ts'
import { freePort } from '../support/free-port.ts'
import { sendRequest } from '../support/http-client.ts'
import { until } from '../support/until.ts'

test('an upload killed in the middle of a PATCH goes on from its durable bytes after a restart', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const bytes = randomBytes(6 << 20)
  const upload = await startUpload(client, berth.url, 'crash/app')
  const patch = openPatch(upload)
  patch.request.write(bytes.subarray(0, 4 << 20))
  await sleep(700)
  await berth.kill9()
  assert.ok((await patch.outcome) instanceof Error)
  await berth.restart()

  let offset = 0
  // Where the server may be one of several, the upload is the one's that died until its hold is over.
  await until(
    'some of the bytes are durable',
    async () => {
      const status = await client.send(upload)
      assert.equal(status.status, 204)
      const range = status.headers['range']
      offset = offsetOf(typeof range === 'string' ? range : undefined)
      return offset > 0
    },
    testDialect === 'postgres' ? 60_000 : 0,
  )
  assert.ok(offset <= 4 << 20, `no more than was sent: ${offset}`)
  const rest = bytes.subarray(offset)
  const headers = { 'content-range': `${offset}-${bytes.length - 1}`, 'content-type': 'application/octet-stream' }
  assert.equal((await client.send(upload, { method: 'PATCH', body: rest, headers })).status, 202)
  const digest = digestOfBytes(bytes)
  assert.equal((await client.send(closing(upload, digest), { method: 'PUT', body: '' })).status, 201)
  assert.deepEqual(await client.pullBlob('crash/app', digest), bytes)
})

test('what was acknowledged is there after kill -9', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'crash/image', 'v1')
  await berth.kill9()
  await berth.restart()
  assert.equal(await client.digestOf('crash/image', 'v1'), image.descriptor.digest)
  for (const { digest } of [image.config, ...image.layers])
    assert.equal(digestOfBytes(await client.pullBlob('crash/image', digest)), digest)
  assert.deepEqual(await violationsOf(berth), [])
})

test('SIGTERM lets a PATCH in flight finish, takes nothing new, says that it is not ready, and ends with status 0', async () => {
  const debugPort = await freePort()
  await using berth = await startBerth({ config: { http: { debug: { addr: `127.0.0.1:${debugPort}` } } } })
  const client = registryClient(berth.url)
  const readiness = () => sendRequest(`http://127.0.0.1:${debugPort}/readyz`)
  assert.equal((await readiness()).status, 200)
  const bytes = randomBytes(1 << 20)
  const upload = await startUpload(client, berth.url, 'crash/drain')
  const patch = openPatch(upload)
  patch.request.write(bytes.subarray(0, 1 << 19))
  await sleep(200)
  const stopped = berth.stop()
  await until('it is not ready', async () => (await readiness()).status === 503)
  assert.equal((await client.send('/readyz')).status, 503)
  assert.equal((await client.send('/v2/')).status, 503)
  patch.request.end(bytes.subarray(1 << 19))
  const answer = await patch.outcome
  assert.ok(!(answer instanceof Error) && answer.status === 202, JSON.stringify(answer))
  assert.equal(await stopped, 0)
  await berth.restart()
  assert.equal((await client.send(closing(upload, digestOfBytes(bytes)), { method: 'PUT', body: '' })).status, 201)
  assert.deepEqual(await violationsOf(berth), [])
})

test('an upload survives a restart between each of its requests', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const bytes = randomBytes(3 << 20)
  const upload = await startUpload(client, berth.url, 'crash/switch')
  for (let at = 0; at < bytes.length; at += 1 << 20) {
    await berth.stop()
    await berth.restart()
    const headers = { 'content-range': `${at}-${at + (1 << 20) - 1}` }
    assert.equal((await client.send(upload, { method: 'PATCH', body: bytes.subarray(at, at + (1 << 20)), headers })).status, 202)
  }
  await berth.kill9()
  await berth.restart()
  assert.equal((await client.send(closing(upload, digestOfBytes(bytes)), { method: 'PUT', body: '' })).status, 201)
  assert.deepEqual(await client.pullBlob('crash/switch', digestOfBytes(bytes)), bytes)
})

test('a client that goes away in the middle of a blob leaves the upload where it can go on', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const bytes = randomBytes(2 << 20)
  const upload = await startUpload(client, berth.url, 'crash/torn')
  const patch = openPatch(upload, { 'content-length': String(bytes.length) })
  patch.request.write(bytes.subarray(0, 1 << 20))
  await sleep(200)
  patch.request.destroy()
  await patch.outcome
  let offset = 0
  await until('the torn PATCH is given up', async () => {
    const answer = await client.send(upload)
    offset = offsetOf(answer.headers['range'])
    return answer.status === 204 && offset > 0
  })
  const headers = { 'content-range': `${offset}-${bytes.length - 1}` }
  assert.equal((await client.send(upload, { method: 'PATCH', body: bytes.subarray(offset), headers })).status, 202)
  assert.equal((await client.send(closing(upload, digestOfBytes(bytes)), { method: 'PUT', body: '' })).status, 201)
})

test('a server killed in the middle of many pushes has every image that it acknowledged, and nothing by halves', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const acknowledged = new Map<string, string>()
  const pushing = Array.from({ length: 6 }, async (_, lane) => {
    for (let round = 0; ; round++) {
      const tag = `v${round}`
      const repository = `crash/lane${lane}`
      const image = await pushImage(client, repository, tag)
      acknowledged.set(`${repository}:${tag}`, image.descriptor.digest)
    }
  })
  const ended = Promise.allSettled(pushing)
  await until('some images are there', () => acknowledged.size > 20)
  await berth.kill9()
  await ended
  await berth.restart()
  for (const [name, digest] of acknowledged) {
    const [repository = '', tag = ''] = name.split(':')
    assert.equal(await client.digestOf(repository, tag), digest)
  }
  // A push in one request has no session whose row would tell of its bytes.
  assert.deepEqual(await violationsOf(berth, { orphanUploadsAreFine: true }), [])
})
