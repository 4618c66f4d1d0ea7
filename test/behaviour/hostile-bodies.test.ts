import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { mediaTypes, pushImage, pushIndex, registryClient, type Descriptor } from '../support/registry-client.ts'
import { rawConnection } from '../support/raw-connection.ts'
import { startBerth } from '../support/start-berth.ts'
import { violationsOf } from '../support/violations.ts'

const limit = 4 * 1024 * 1024

/** Documents that cost a careless parser much: time, stack or memory. */
const costly: readonly (readonly [what: string, document: string])[] = [
  ['200,000 nested arrays', `{"schemaVersion":2,"layers":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
  ['200,000 nested objects', `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`],
  ['nested arrays that never close', '['.repeat(limit - 10)],
  ['300,000 keys', `{${Array.from({ length: 300_000 }, (_, n) => `"k${n}":0`).join(',')}}`],
  ['300,000 equal keys', `{${'"k":0,'.repeat(300_000)}"k":0}`],
  ['a string of 4 MB', `{"schemaVersion":2,"mediaType":"${'a'.repeat(limit - 100)}"}`],
  ['a number of 4 million digits', `{"schemaVersion":${'9'.repeat(limit - 100)}}`],
  ['half a million escapes', `"${'\\u0000'.repeat(500_000)}"`],
  ['nothing but spaces', ' '.repeat(limit)],
  [
    '70,000 layers',
    `{"schemaVersion":2,"mediaType":"${mediaTypes.manifest}","layers":[${Array(70_000).fill('{"digest":"x"}').join(',')}]}`,
  ],
]

test('costly documents are refused with 400 while other clients are served', async (t) => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  await pushImage(client, 'hostile/app', 'v1')
  await client.send('/metrics')
  for (const [what, document] of costly) {
    let isOver = false
    let longest = 0
    const others = (async () => {
      while (!isOver) {
        const at = performance.now()
        await client.pullManifest('hostile/app', 'v1')
        longest = Math.max(longest, performance.now() - at)
        await sleep(5)
      }
    })()
    const at = performance.now()
    const put = { method: 'PUT', body: document, headers: { 'content-type': mediaTypes.manifest } }
    const answers = await Promise.all([1, 2, 3].map(() => client.send('/v2/hostile/app/manifests/bad', put)))
    const tookMs = performance.now() - at
    isOver = true
    await others
    for (const answer of answers) {
      assert.equal(answer.status, 400, `${what}: ${answer.status}`)
      assert.match(answer.body.toString(), /"code":"(?:MANIFEST_INVALID|SIZE_INVALID)"/u, what)
      assert.ok(answer.body.length < 2000, `${what}: the answer does not repeat the document`)
    }
    assert.ok(tookMs < 5000, `${what} took ${tookMs} ms`)
    t.diagnostic(`${what}: 3 at once in ${tookMs.toFixed(0)} ms, others within ${longest.toFixed(0)} ms`)
  }
  const stall = /registry_event_loop_lag_seconds\{quantile="1"\} (\S+)/u.exec((await client.send('/metrics')).body.toString())?.[1]
  t.diagnostic(`longest stall of the event loop: ${(Number(stall) * 1000).toFixed(1)} ms`)
  assert.deepEqual(await violationsOf(berth), [])
})

test('indexes may stand on each other so deep and no deeper, and go without a trace', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  let top: Descriptor = (await pushImage(client, 'hostile/deep', 'v1')).descriptor
  let depth = 0
  for (; depth < 1000; depth++) {
    const document = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [top] })
    const put = { method: 'PUT', body: document, headers: { 'content-type': mediaTypes.index } }
    const answer = await client.send('/v2/hostile/deep/manifests/deep', put)
    if (answer.status !== 201) {
      assert.equal(answer.status, 400)
      assert.match(answer.body.toString(), /MANIFEST_INVALID/u)
      break
    }
    top = (await pushIndex(client, 'hostile/deep', 'deep', [top])).descriptor
  }
  assert.ok(depth >= 2 && depth < 100, `${depth} levels`)
  assert.equal((await client.send('/v2/hostile/deep/', { method: 'DELETE' })).status, 202)
  assert.deepEqual(await violationsOf(berth), [])
})

test('no form of a path leads out of the registry, with any method', async () => {
  // Without the journal, which is written by the clock.
  await using berth = await startBerth({ config: { backup: { journal: false } } })
  const port = Number(new URL(berth.url).port)
  const files = async () =>
    (await readdir(dirname(berth.configFile), { recursive: true })).filter((name) => !/berth\.db/u.test(name)).sort()
  const before = await files()
  const names = [
    '..',
    '%2e%2e',
    '..%2f..',
    '.%2e',
    'a/../..',
    'a/..%2f..%2f..',
    '%2fetc',
    'a%00',
    '..\\..',
    '\u{ff0e}\u{ff0e}',
    '%c0%ae%c0%ae',
  ]
  const digest = `sha256:${'a'.repeat(64)}`
  for (const name of names) {
    for (const target of [
      `/v2/${name}/manifests/v1`,
      `/v2/${name}/blobs/${digest}`,
      `/v2/${name}/blobs/uploads/`,
      `/v2/${name}/blobs/uploads/x`,
      `/v2/app/manifests/${name}`,
      `/v2/app/blobs/${name}`,
      `/v2/app/blobs/sha256:${name}`,
      `/v2/app/blobs/uploads/${name}`,
      `/v2/app/blobs/uploads/?mount=${name}&from=${name}&digest=${name}`,
      `/v2/app/referrers/${name}`,
    ]) {
      for (const method of ['GET', 'PUT', 'PATCH', 'POST', 'DELETE']) {
        using connection = await rawConnection(
          port,
          `${method} ${Buffer.from(target).toString('latin1')} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
        )
        const answer = await connection.until('\r\n\r\n')
        assert.match(answer, /^HTTP\/1\.1 4\d\d /u, `${method} ${target}`)
        assert.doesNotMatch(answer, /root:|\/tmp\/|node_modules/u, `${method} ${target}`)
      }
    }
  }
  assert.deepEqual(await files(), before)
  assert.doesNotMatch(berth.logs(), /level=error/u)
})
