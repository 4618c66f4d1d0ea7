import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { rawConnection } from '../support/raw-connection.ts'
import { digestOfBytes, pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { closing, offsetOf, startUpload } from '../support/upload.ts'

suite('with the limits that a server has by itself', { concurrency: true }, () => {
  test('an upload may take longer than five minutes', { timeout: 600_000 }, async () => {
    await using berth = await startBerth()
    const client = registryClient(berth.url)
    const bytes = randomBytes(330 * 4096)
    async function* slowly() {
      for (let at = 0; at < bytes.length; at += 4096) {
        yield bytes.subarray(at, at + 4096)
        await sleep(1000)
      }
    }
    const startedAt = performance.now()
    const upload = await startUpload(client, berth.url, 'slow/upload')
    const answer = await client.send(closing(upload, digestOfBytes(bytes)), { method: 'PUT', body: slowly(), timeoutMs: 600_000 })
    assert.equal(answer.status, 201, answer.body.toString())
    assert.ok(performance.now() - startedAt > 300_000)
    assert.deepEqual(await client.pullBlob('slow/upload', digestOfBytes(bytes)), bytes)
  })

  test('300 half heads are closed within twenty seconds, and others are served meanwhile', async (t) => {
    await using berth = await startBerth()
    const port = Number(new URL(berth.url).port)
    const client = registryClient(berth.url)
    await pushImage(client, 'slow/app', 'v1')
    const startedAt = performance.now()
    const heads = ['', 'GET /v2/ HTTP/1.1\r\n', 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ']
    const connections = await Promise.all(Array.from({ length: 300 }, (_, at) => rawConnection(port, heads[at % heads.length])))
    let longest = 0
    let isOver = false
    const others = (async () => {
      while (!isOver) {
        const at = performance.now()
        await client.pullManifest('slow/app', 'v1')
        longest = Math.max(longest, performance.now() - at)
        await sleep(100)
      }
    })()
    await Promise.all(connections.map((connection) => connection.closed(25_000)))
    const tookMs = performance.now() - startedAt
    isOver = true
    await others
    t.diagnostic(`all closed after ${(tookMs / 1000).toFixed(1)} s; others served within ${longest.toFixed(0)} ms`)
    assert.ok(tookMs < 20_000)
  })

  test('a body of a byte a second is given up, of an upload as of a manifest, and what came of the upload stays', async (t) => {
    await using berth = await startBerth()
    const port = Number(new URL(berth.url).port)
    const client = registryClient(berth.url)
    const upload = await startUpload(client, berth.url, 'slow/drip')
    const { pathname } = new URL(upload)
    const startedAt = performance.now()
    await Promise.all(
      [`PATCH ${pathname}`, 'PUT /v2/slow/drip/manifests/v1'].map(async (request) => {
        using connection = await rawConnection(port, `${request} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`)
        const drip = setInterval(() => connection.socket.write('x'), 1000)
        try {
          assert.match(await connection.until('REQUEST_TIMEOUT', 30_000), /^HTTP\/1\.1 408 /u, request)
        } finally {
          clearInterval(drip)
        }
      }),
    )
    t.diagnostic(`given up after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    const status = await client.send(upload)
    assert.equal(status.status, 204)
    assert.ok(offsetOf(status.headers.range) > 1)
  })
})
