import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { registryClient } from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { closing, startUpload } from '../support/upload.ts'

const gib = 1 << 30
const streams = 8
const filler = randomBytes(1 << 20)

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

function peakBytes(berth: RunningBerth): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${berth.pid()}/status`, 'utf8'))?.[1]) * 1024
}

/** The longest stall of the server's event loop that its own histogram saw, in milliseconds. */
async function longestStallMs(berth: RunningBerth): Promise<number> {
  const text = (await registryClient(berth.url).send('/metrics')).body.toString()
  return Number(/^registry_event_loop_lag_max_seconds ([\d.e-]+)/m.exec(text)?.[1] ?? Number.NaN) * 1000
}

test('8 uploads of 1 GiB at once stay under 300 MB of memory, and so do 8 downloads', { timeout: 900_000 }, async (t) => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const blobs = Array.from({ length: streams }, () => largeBlob())
  await Promise.all(
    blobs.map(async ({ digest, body }) => {
      const upload = await startUpload(client, berth.url, 'large/blobs')
      const answer = await client.send(closing(upload, digest), { method: 'PUT', body: body(), timeoutMs: 600_000 })
      assert.equal(answer.status, 201, answer.body.toString())
    }),
  )
  t.diagnostic(`peak after uploads: ${Math.round(peakBytes(berth) / 1e6)} MB; longest stall ${(await longestStallMs(berth)).toFixed(1)} ms`)
  assert.ok(peakBytes(berth) < 300e6, `${peakBytes(berth)} bytes`)
  await Promise.all(
    blobs.map(async ({ digest }) => {
      const answer = await fetch(`${berth.url}/v2/large/blobs/blobs/${digest}`)
      const hash = createHash('sha256')
      for await (const chunk of answer.body ?? []) hash.update(chunk)
      assert.equal(`sha256:${hash.digest('hex')}`, digest)
    }),
  )
  t.diagnostic(`peak after downloads: ${Math.round(peakBytes(berth) / 1e6)} MB; longest stall ${(await longestStallMs(berth)).toFixed(1)} ms`)
  assert.ok(peakBytes(berth) < 300e6, `${peakBytes(berth)} bytes`)
})
