import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { digestOfBytes, pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import type { HttpResponse } from '../support/http-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import { closing, startUpload } from '../support/upload.ts'
import { violationsOf } from '../support/violations.ts'
import { inject } from './inject.ts'
import { countable } from './kill-points.ts'

const files = { thread: 'libuv-worker' }
const database = { thread: 'database writer' }

function assertRefused(answer: HttpResponse, berth: RunningBerth): void {
  const text = answer.body.toString()
  assert.equal(answer.status, 503, text)
  const { errors } = JSON.parse(text) as { errors: { code: string }[] }
  assert.equal(errors[0]?.code, 'UNAVAILABLE')
  assert.ok(!text.includes(berth.dataDir) && !/E(?:IO|NOSPC)|fsync|\.ts\b/u.test(text), `tells no more than a client needs: ${text}`)
}

async function metric(client: RegistryClient, name: string): Promise<number> {
  const page = (await client.send('/metrics')).body.toString()
  const line = page.split('\n').find((each) => each.startsWith(`${name} `))
  return Number(line?.split(' ').at(-1) ?? Number.NaN)
}

test('bytes whose sync fails are never acknowledged and never synced again, and all is well when the disk is', async () => {
  await using berth = await startBerth(countable)
  const client = registryClient(berth.url)
  await pushImage(client, 'eio/image', 'v1')
  const bytes = randomBytes(2 << 20)
  const digest = digestOfBytes(bytes)
  const post = { method: 'POST', body: bytes, headers: { 'content-type': 'application/octet-stream' } }
  const inSession = await startUpload(client, berth.url, 'eio/image')
  {
    await using injection = await inject(berth.pid(), { ...files, inject: 'fdatasync:error=EIO' })
    assertRefused(await client.send(`/v2/eio/image/blobs/uploads/?digest=${digest}`, post), berth)
    assertRefused(await client.send(inSession, { method: 'PATCH', body: bytes }), berth)
    assert.equal(injection.trace().match(/^fdatasync\(/gmu)?.length, 2, 'each file was synced once')
    assert.equal((await client.send(inSession)).status, 404, 'nobody knows what of it is on the disk: the upload is over')
    assert.equal((await client.send(`/v2/eio/image/blobs/${digest}`)).status, 404)
    assert.ok(await client.digestOf('eio/image', 'v1'), 'pulls go on')
  }
  assert.deepEqual(await violationsOf(berth), [])
  await client.pushBlob('eio/image', bytes)
  assert.deepEqual(await client.pullBlob('eio/image', digest), bytes)
})

test('a blob whose name cannot be made durable is never acknowledged', async () => {
  await using berth = await startBerth(countable)
  const client = registryClient(berth.url)
  const bytes = randomBytes(100_000)
  const digest = digestOfBytes(bytes)
  const upload = await startUpload(client, berth.url, 'eio/name')
  {
    // The first sync is of the directory of uploads, the next ones are of those that lead to the blob.
    await using _ = await inject(berth.pid(), { ...files, inject: 'fsync:error=EIO:when=2+' })
    assertRefused(await client.send(closing(upload, digest), { method: 'PUT', body: bytes }), berth)
    assert.equal((await client.send(`/v2/eio/name/blobs/${digest}`)).status, 404)
  }
  await client.pushBlob('eio/name', bytes)
  assert.deepEqual(await client.pullBlob('eio/name', digest), bytes)
  assert.deepEqual(await violationsOf(berth), [])
})

test('a commit of the database that cannot be made durable is never acknowledged, reads go on, and the next one works', async () => {
  await using berth = await startBerth(countable)
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'eio/database', 'v1')
  const bytes = Buffer.from(JSON.stringify({ ...JSON.parse(image.bytes.toString()), annotations: { is: 'new' } }))
  const put = { method: 'PUT', body: bytes, headers: { 'content-type': image.descriptor.mediaType } }
  {
    await using _ = await inject(berth.pid(), { ...database, inject: 'fsync,fdatasync:error=EIO' })
    assertRefused(await client.send('/v2/eio/database/manifests/v1', put), berth)
    assertRefused(await client.send('/v2/eio/database/blobs/uploads/', { method: 'POST', body: '' }), berth)
    assert.equal(await client.digestOf('eio/database', 'v1'), image.descriptor.digest, 'the tag stays where it was')
    assert.equal(digestOfBytes(await client.pullBlob('eio/database', image.layers[0]?.digest ?? '')), image.layers[0]?.digest)
  }
  assert.equal(await client.digestOf('eio/database', 'v1'), image.descriptor.digest)
  assert.equal((await client.send('/v2/eio/database/manifests/v1', put)).status, 201)
  await berth.kill9()
  await berth.restart()
  assert.equal(await client.digestOf('eio/database', 'v1'), digestOfBytes(bytes))
  assert.deepEqual(await violationsOf(berth), [])
})

test('a read error in the middle of a blob ends the connection before its last byte; the blob comes back when it can be read', async () => {
  await using berth = await startBerth(countable)
  const client = registryClient(berth.url)
  const bytes = randomBytes(8 << 20)
  const { digest } = await client.pushBlob('eio/read', bytes)
  {
    await using _ = await inject(berth.pid(), { ...files, inject: 'pread64:error=EIO:when=4+' })
    await assert.rejects(client.pullBlob('eio/read', digest), /aborted|socket hang up/u, 'a cut body is an error for the client')
  }
  assert.deepEqual(await client.pullBlob('eio/read', digest), bytes)
  await until('the fault is counted', async () => (await metric(client, 'registry_storage_quarantined_blobs_total')) === 1)
  assert.match(berth.logs(), /blob quarantined/u)
  assert.deepEqual(await violationsOf(berth), [])
})

test('a blob that cannot be read is missing, so that the next push heals it', async () => {
  await using berth = await startBerth(countable)
  const client = registryClient(berth.url)
  for (const bytes of [randomBytes(8 << 20), randomBytes(1000)]) {
    const { digest } = await client.pushBlob('eio/lost', bytes)
    {
      await using _ = await inject(berth.pid(), { ...files, inject: 'pread64:error=EIO' })
      await client.send(`/v2/eio/lost/blobs/${digest}`).catch(() => undefined)
      assert.equal((await client.send(`/v2/eio/lost/blobs/${digest}`, { method: 'HEAD' })).status, 404)
      assert.equal((await client.send(`/v2/eio/lost/blobs/${digest}`)).status, 404)
      await client.pushBlob('eio/lost', bytes)
    }
    assert.deepEqual(await client.pullBlob('eio/lost', digest), bytes)
  }
  assert.deepEqual(await violationsOf(berth), [])
})

test('a disk whose syncs take two seconds slows no pull, however many pushes wait for it', async (t) => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'slow/image', 'v1')
  const large = await client.pushBlob('slow/image', randomBytes(4 << 20))
  const uploads = await Promise.all(Array.from({ length: 8 }, () => startUpload(client, berth.url, 'slow/image')))
  const times: number[] = []
  {
    await using _ = await inject(berth.pid(), { inject: 'fdatasync,fsync:delay_enter=2000000' })
    await client.send('/metrics')
    const pushes = uploads.map((upload) => {
      const bytes = randomBytes(1 << 20)
      return client.send(closing(upload, digestOfBytes(bytes)), { method: 'PUT', body: bytes, timeoutMs: 120_000 })
    })
    let open = true
    const pushed = Promise.all(pushes).finally(() => (open = false))
    await sleep(500)
    while (open) {
      const at = performance.now()
      await client.pullManifest('slow/image', 'v1')
      await client.pullBlob('slow/image', image.config.digest)
      await client.pullBlob('slow/image', large.digest)
      times.push(performance.now() - at)
      await sleep(20)
    }
    for (const answer of await pushed) assert.equal(answer.status, 201, answer.body.toString())
  }
  times.sort((a, b) => a - b)
  const slow = times[Math.floor(times.length * 0.99)] ?? Infinity
  t.diagnostic(`${times.length} pulls of three requests: 99 of 100 within ${slow.toFixed(0)} ms; worst ${times.at(-1)?.toFixed(0)} ms`)
  const stall = /registry_event_loop_lag_seconds\{quantile="1"\} (\S+)/u.exec((await client.send('/metrics')).body.toString())?.[1]
  t.diagnostic(`longest stall of the event loop: ${(Number(stall) * 1000).toFixed(1)} ms`)
  assert.ok(slow < 1000, `${slow} ms`)
  assert.ok(Number(stall) < 1, 'no sync holds the event loop')
})
