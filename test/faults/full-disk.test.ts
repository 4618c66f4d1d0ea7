import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOfBytes, pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { closing, startUpload } from '../support/upload.ts'
import { smallDisk } from './small-disk.ts'
import { violationsOf } from '../support/violations.ts'

async function stillServes(client: RegistryClient, berth: RunningBerth, repository: string): Promise<void> {
  const { bytes } = await client.pullManifest(repository, 'v1')
  const { layers } = JSON.parse(bytes.toString()) as { layers: { digest: string }[] }
  for (const { digest } of layers) assert.equal(digestOfBytes(await client.pullBlob(repository, digest)), digest)
  assert.equal((await client.send('/readyz')).status < 600, true, berth.url)
}

test('a disk that fills during a PATCH refuses clearly, keeps serving, and goes on when there is space', async () => {
  await using disk = await smallDisk(48)
  await using berth = await startBerth({ dataDir: disk.path, config: { storage: { minfreespace: 0 } } })
  const client = registryClient(berth.url)
  await pushImage(client, 'full/app', 'v1')
  const bytes = randomBytes(64 << 20)
  const upload = await startUpload(client, berth.url, 'full/app')
  const answer = await client.send(upload, { method: 'PATCH', body: bytes }).catch((error: unknown) => error as Error)
  if (!(answer instanceof Error)) {
    assert.equal(answer.status, 507, answer.body.toString())
    assert.match(answer.body.toString(), /STORAGE_FULL/)
    assert.ok(!answer.body.toString().includes(disk.path))
  }
  await stillServes(client, berth, 'full/app')
  assert.equal((await client.send(upload, { method: 'DELETE' })).status, 204, 'the upload can be given up, which frees its bytes')
  const small = randomBytes(1 << 20)
  await client.pushBlob('full/app', small)
  assert.deepEqual(await client.pullBlob('full/app', digestOfBytes(small)), small)
  assert.deepEqual(await violationsOf(berth), [])
})

test('below the low-water mark new uploads are refused while pulls, deletes and a started upload go on', async () => {
  await using disk = await smallDisk(64)
  await using berth = await startBerth({ dataDir: disk.path, config: { storage: { minfreespace: '32MiB' } } })
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'low/app', 'v1')
  const started = await startUpload(client, berth.url, 'low/app')
  await writeFile(join(disk.path, 'ballast'), randomBytes(36 << 20))
  await new Promise((resolve) => setTimeout(resolve, 6_000))
  const refused = await client.send('/v2/low/app/blobs/uploads/', { method: 'POST', body: '' })
  assert.equal(refused.status, 507)
  assert.match(refused.body.toString(), /STORAGE_FULL/)
  await stillServes(client, berth, 'low/app')
  const bytes = randomBytes(100_000)
  assert.equal((await client.send(closing(started, digestOfBytes(bytes)), { method: 'PUT', body: bytes })).status, 201)
  assert.equal((await client.send(`/v2/low/app/manifests/${image.descriptor.digest}`, { method: 'DELETE' })).status, 202)
  await rm(join(disk.path, 'ballast'))
  await new Promise((resolve) => setTimeout(resolve, 6_000))
  await pushImage(client, 'low/app', 'v2')
})

test('a full disk under the database fails writes clearly, keeps reads, and recovers by itself', async () => {
  await using disk = await smallDisk(8)
  await using berth = await startBerth({ config: { database: { driver: 'sqlite', file: join(disk.path, 'berth.db') } } })
  const client = registryClient(berth.url)
  await pushImage(client, 'dbfull/app', 'v1')
  await writeFile(join(disk.path, 'ballast'), randomBytes(8 << 20)).catch(() => undefined)
  let refused = 0
  for (let i = 0; i < 40; i++) {
    const answer = await client.send('/v2/dbfull/app/blobs/uploads/', { method: 'POST', body: '' })
    if (answer.status === 202) continue
    refused += 1
    assert.ok(answer.status === 507 || answer.status === 503, `${answer.status} ${answer.body.toString()}`)
  }
  assert.ok(refused > 0, 'the database ran out of space')
  await stillServes(client, berth, 'dbfull/app')
  await rm(join(disk.path, 'ballast'))
  await pushImage(client, 'dbfull/app', 'v2')
  assert.deepEqual(await violationsOf(berth), [])
})
