import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { digestOfBytes, pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { closing, startUpload } from '../support/upload.ts'
import { inject } from './inject.ts'
import { violationsOf } from './violations.ts'

test('a failing sync is never acknowledged, and the registry goes on when the disk is well again', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  await pushImage(client, 'eio/image', 'v1')
  const bytes = randomBytes(2 << 20)
  const digest = digestOfBytes(bytes)
  {
    await using _ = await inject(berth.pid(), 'fdatasync,fsync:error=EIO')
    const answer = await client.send(`/v2/eio/image/blobs/uploads/?digest=${digest}`, { method: 'POST', body: bytes })
    assert.ok(answer.status >= 500, `refused: ${answer.status}`)
    assert.ok(!answer.body.toString().includes(berth.dataDir), 'the answer tells no path')
    assert.equal((await client.send(`/v2/eio/image/blobs/${digest}`)).status, 404)
    assert.ok(await client.digestOf('eio/image', 'v1'), 'pulls go on')
  }
  await client.pushBlob('eio/image', bytes)
  assert.deepEqual(await client.pullBlob('eio/image', digest), bytes)
  await pushImage(client, 'eio/image', 'v2')
  assert.deepEqual(await violationsOf(berth), [])
})

test('a read error in the middle of a blob ends the connection before its last byte', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const bytes = randomBytes(8 << 20)
  const { digest } = await client.pushBlob('eio/read', bytes)
  {
    await using _ = await inject(berth.pid(), 'pread64:error=EIO:when=4+')
    await assert.rejects(client.pullBlob('eio/read', digest), 'a cut body is an error for the client')
  }
  assert.deepEqual(await client.pullBlob('eio/read', digest), bytes)
})

test('a disk whose syncs take two seconds does not slow pulls', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'slow/image', 'v1')
  const upload = await startUpload(client, berth.url, 'slow/image')
  const bytes = randomBytes(4 << 20)
  const times: number[] = []
  {
    await using _ = await inject(berth.pid(), 'fdatasync,fsync:delay_enter=2000000')
    const push = client.send(closing(upload, digestOfBytes(bytes)), { method: 'PUT', body: bytes, timeoutMs: 60_000 })
    for (let i = 0; i < 100; i++) {
      const at = performance.now()
      await client.pullManifest('slow/image', 'v1')
      await client.pullBlob('slow/image', image.config.digest)
      times.push(performance.now() - at)
    }
    assert.equal((await push).status, 201)
  }
  times.sort((a, b) => a - b)
  assert.ok((times[98] ?? Infinity) < 1000, `99 of 100 pulls took less than half a sync: ${times[98]} ms`)
})
