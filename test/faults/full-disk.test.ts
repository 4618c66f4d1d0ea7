import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { HttpResponse } from '../support/http-client.ts'
import { digestOfBytes, pushImage, registryClient, type PushedImage, type RegistryClient } from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import { closing, offsetOf, startUpload } from '../support/upload.ts'
import { violationsOf } from '../support/violations.ts'
import { smallDisk } from './small-disk.ts'

/** Every layer of the image, and what a client asks first. */
async function stillServes(client: RegistryClient, repository: string, image: PushedImage): Promise<void> {
  assert.equal((await client.send('/v2/')).status, 200)
  assert.equal(await client.digestOf(repository, 'v1'), image.descriptor.digest)
  for (const { digest } of [image.config, ...image.layers]) assert.equal(digestOfBytes(await client.pullBlob(repository, digest)), digest)
  assert.match((await client.send(`/v2/${repository}/tags/list`)).body.toString(), /"v1"/u)
}

function assertFull(answer: HttpResponse, berth: RunningBerth): void {
  const text = answer.body.toString()
  assert.equal(answer.status, 507, text)
  const { errors } = JSON.parse(text) as { errors: { code: string }[] }
  assert.equal(errors[0]?.code, 'STORAGE_FULL')
  assert.ok(!text.includes(berth.dataDir) && !/ENOSPC|SQLITE|\.ts\b/u.test(text), `tells no more than a client needs: ${text}`)
}

const withoutMark = { storage: { minfreespace: 0 } }

test('a disk that fills during a PATCH refuses clearly, keeps serving, and goes on when there is space', async () => {
  await using disk = await smallDisk(48)
  await using berth = await startBerth({ dataDir: disk.path, config: withoutMark })
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'full/app', 'v1')
  await writeFile(join(disk.path, 'ballast'), Buffer.alloc(20 << 20))
  const bytes = randomBytes(32 << 20)
  const upload = await startUpload(client, berth.url, 'full/app')
  assertFull(await client.send(upload, { method: 'PATCH', body: bytes }), berth)
  await stillServes(client, 'full/app', image)
  assertFull(await client.send(closing(upload, digestOfBytes(bytes)), { method: 'PUT', body: bytes }), berth)

  await rm(join(disk.path, 'ballast'))
  const status = await client.send(upload)
  assert.equal(status.status, 204, 'the upload is resumable')
  const rest = bytes.subarray(offsetOf(status.headers.range))
  assert.ok(rest.length < bytes.length, 'what came is not sent again')
  const digest = digestOfBytes(bytes)
  assert.equal((await client.send(closing(upload, digest), { method: 'PUT', body: rest })).status, 201)
  assert.deepEqual(await client.pullBlob('full/app', digest), bytes)
  assert.deepEqual(await violationsOf(berth), [])
})

test('on a disk without a byte left nothing is lost: uploads can be given up, images deleted, and both make room', async () => {
  await using disk = await smallDisk(32)
  await using berth = await startBerth({ dataDir: disk.path, config: withoutMark })
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'full/app', 'v1')
  const upload = await startUpload(client, berth.url, 'full/app')
  assertFull(await client.send(upload, { method: 'PATCH', body: randomBytes(40 << 20) }), berth)
  const small = randomBytes(200_000)
  const post = { method: 'POST', body: small }
  assertFull(await client.send(`/v2/full/app/blobs/uploads/?digest=${digestOfBytes(small)}`, post), berth)
  await stillServes(client, 'full/app', image)
  const cancelled = await client.send(upload, { method: 'DELETE' })
  assert.equal(cancelled.status, 204, cancelled.body.toString())
  await client.pushBlob('full/app', small)
  assert.equal((await client.send(`/v2/full/app/manifests/${image.descriptor.digest}`, { method: 'DELETE' })).status, 202)
  assert.deepEqual(await violationsOf(berth), [])
})

test('an upload that began above the low-water mark leaves the database room for deletes, tags and a restart', async () => {
  await using disk = await smallDisk(64)
  await using berth = await startBerth({ dataDir: disk.path, config: { storage: { minfreespace: '32MiB' } } })
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'full/app', 'v1')
  const upload = await startUpload(client, berth.url, 'full/app')
  const bytes = randomBytes(80 << 20)
  assertFull(await client.send(upload, { method: 'PATCH', body: bytes }), berth)
  const { bavail, bsize } = await statfs(disk.path)
  assert.ok(bavail * bsize > 1 << 20, `${bavail * bsize} bytes are left`)
  await client.pushManifest('full/app', 'v2', image.bytes)
  await berth.kill9()
  await berth.restart()
  await stillServes(client, 'full/app', image)
  assert.equal((await client.send(`/v2/full/app/manifests/${image.descriptor.digest}`, { method: 'DELETE' })).status, 202)
  assert.equal((await client.send(upload, { method: 'DELETE' })).status, 204)
  await pushImage(client, 'full/app', 'v3')
  assert.deepEqual(await violationsOf(berth), [])
})

test('a start on a disk without a byte left is refused in a sentence, loses nothing, and works when there is room', async () => {
  await using disk = await smallDisk(32)
  await using berth = await startBerth({ dataDir: disk.path, config: withoutMark })
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'full/app', 'v1')
  for (const stop of [() => berth.stop(), () => berth.kill9()]) {
    await stop()
    await writeFile(join(disk.path, 'ballast'), Buffer.alloc(40 << 20)).catch(() => undefined)
    const started = await berth.restart().then(
      () => 'it started',
      (error: Error) => error.message,
    )
    assert.match(started, /^(?:it started|.*berth: the database \S+ cannot be opened: .*no space left.*)$/su)
    await rm(join(disk.path, 'ballast'))
    if (started !== 'it started') await berth.restart()
    await stillServes(client, 'full/app', image)
  }
  await pushImage(client, 'full/app', 'v2')
  assert.deepEqual(await violationsOf(berth), [])
})

test('below the low-water mark new uploads are refused while pulls, deletes and a started upload go on', async () => {
  await using disk = await smallDisk(64)
  await using berth = await startBerth({ dataDir: disk.path, config: { storage: { minfreespace: '32MiB' } } })
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'low/app', 'v1')
  const started = await startUpload(client, berth.url, 'low/app')
  const start = () => client.send('/v2/low/app/blobs/uploads/', { method: 'POST', body: '' })
  await writeFile(join(disk.path, 'ballast'), Buffer.alloc(36 << 20))
  await until('new uploads are refused', async () => (await start()).status === 507)
  assertFull(await start(), berth)
  await stillServes(client, 'low/app', image)
  const bytes = randomBytes(100_000)
  assert.equal((await client.send(closing(started, digestOfBytes(bytes)), { method: 'PUT', body: bytes })).status, 201)
  assert.equal((await client.send(`/v2/low/app/manifests/${image.descriptor.digest}`, { method: 'DELETE' })).status, 202)
  await rm(join(disk.path, 'ballast'))
  await until('uploads are taken again', async () => (await start()).status === 202)
  await pushImage(client, 'low/app', 'v2')
  assert.deepEqual(await violationsOf(berth), [])
})

test('a full disk under the database fails writes clearly, keeps reads, and recovers by itself', async () => {
  await using disk = await smallDisk(8)
  await using berth = await startBerth({ config: { database: { driver: 'sqlite', file: join(disk.path, 'berth.db') } } })
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'dbfull/app', 'v1')
  await writeFile(join(disk.path, 'ballast'), Buffer.alloc(8 << 20)).catch(() => undefined)
  let refused = 0
  for (let i = 0; i < 40; i++) {
    const answer = await client.send('/v2/dbfull/app/blobs/uploads/', { method: 'POST', body: '' })
    if (answer.status === 202) continue
    refused += 1
    assertFull(answer, berth)
  }
  assert.ok(refused > 0, 'the database ran out of space')
  await stillServes(client, 'dbfull/app', image)
  await rm(join(disk.path, 'ballast'))
  await pushImage(client, 'dbfull/app', 'v2')
  assert.deepEqual(await violationsOf(berth), [])
})
