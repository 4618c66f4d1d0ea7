import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { closing, startUpload } from '../support/upload.ts'
import { watchProcess } from './watch-process.ts'

const gib = 1 << 30
const streams = 8
const filler = randomBytes(1 << 20)
const memoryLimitBytes = 300e6

/** 1 GiB that no other upload has: a random first mebibyte, then the same filler. */
function largeBlob() {
  const head = randomBytes(1 << 20)
  const hash = createHash('sha256').update(head)
  for (let i = 1; i < gib / filler.length; i++) hash.update(filler)
  async function* body(): AsyncGenerator<Uint8Array> {
    yield head
    for (let i = 1; i < gib / filler.length; i++) yield filler
  }
  return { digest: `sha256:${hash.digest('hex')}`, body }
}

test('8 uploads of 1 GiB at once stay under 300 MB of memory, and so do 8 downloads', { timeout: 900_000 }, async (t) => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const blobs = Array.from({ length: streams }, () => largeBlob())
  await using watched = await watchProcess(berth)
  await Promise.all(
    blobs.map(async ({ digest, body }, at) => {
      const upload = await startUpload(client, berth.url, 'large/blobs')
      if (at % 2 === 0) {
        const patch = await client.send(upload, { method: 'PATCH', body: body(), timeoutMs: 600_000 })
        assert.equal(patch.status, 202, patch.body.toString())
      }
      const rest = at % 2 === 0 ? '' : body()
      const answer = await client.send(closing(upload, digest), { method: 'PUT', body: rest, timeoutMs: 600_000 })
      assert.equal(answer.status, 201, answer.body.toString())
    }),
  )
  t.diagnostic(`uploads: ${await watched.summary()}`)
  assert.ok(watched.peakBytes() < memoryLimitBytes, `${watched.peakBytes()} bytes`)
  await Promise.all(
    blobs.map(async ({ digest }) => {
      const answer = await fetch(`${berth.url}/v2/large/blobs/blobs/${digest}`)
      const hash = createHash('sha256')
      for await (const chunk of answer.body ?? []) hash.update(chunk)
      assert.equal(`sha256:${hash.digest('hex')}`, digest)
    }),
  )
  t.diagnostic(`and downloads: ${await watched.summary()}`)
  assert.ok(watched.peakBytes() < memoryLimitBytes, `${watched.peakBytes()} bytes`)
})

test('an upload that was cut after a gibibyte is hashed again without holding it in memory', { timeout: 600_000 }, async (t) => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const { digest, body } = largeBlob()
  const upload = await startUpload(client, berth.url, 'large/resumed')
  assert.equal((await client.send(upload, { method: 'PATCH', body: body(), timeoutMs: 600_000 })).status, 202)
  await berth.kill9()
  await berth.restart()
  await using watched = await watchProcess(berth)
  const last = Buffer.from('one more')
  const all = createHash('sha256')
  for await (const chunk of body()) all.update(chunk)
  const whole = `sha256:${all.update(last).digest('hex')}`
  assert.notEqual(whole, digest)
  const answer = await client.send(closing(upload, whole), { method: 'PUT', body: last, timeoutMs: 600_000 })
  assert.equal(answer.status, 201, answer.body.toString())
  t.diagnostic(await watched.summary())
  assert.ok(watched.peakBytes() < memoryLimitBytes, `${watched.peakBytes()} bytes`)
})
