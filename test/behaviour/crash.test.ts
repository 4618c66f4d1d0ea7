import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { digestOfBytes, pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { closing, offsetOf, openPatch, startUpload } from '../support/upload.ts'
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

  const status = await client.send(upload)
  assert.equal(status.status, 204)
  const range = status.headers['range']
  const offset = offsetOf(typeof range === 'string' ? range : undefined)
  assert.ok(offset > 0 && offset <= 4 << 20, `some of the bytes are durable: ${offset}`)
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
  for (const { digest } of [image.config, ...image.layers]) assert.equal(digestOfBytes(await client.pullBlob('crash/image', digest)), digest)
})

test('SIGTERM lets a PATCH in flight finish, answers readyz with 503 meanwhile, and ends with status 0', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const bytes = randomBytes(1 << 20)
  const upload = await startUpload(client, berth.url, 'crash/drain')
  const patch = openPatch(upload)
  patch.request.write(bytes.subarray(0, 1 << 19))
  await sleep(300)
  const stopped = berth.stop()
  await sleep(300)
  patch.request.end(bytes.subarray(1 << 19))
  const answer = await patch.outcome
  assert.ok(!(answer instanceof Error) && answer.status === 202, String(answer))
  assert.equal(await stopped, 0)
  await berth.restart()
  assert.equal((await client.send(closing(upload, digestOfBytes(bytes)), { method: 'PUT', body: '' })).status, 201)
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
