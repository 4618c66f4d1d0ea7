import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test, type TestContext } from 'node:test'
import { digestOfBytes, mediaTypes, pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { runBerth } from '../support/run-berth.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { closing, offsetOf, startUpload } from '../support/upload.ts'
import { violationsOf } from '../support/violations.ts'
import { countable, killAtEveryCall } from './kill-points.ts'

const patch = { method: 'PATCH', headers: { 'content-type': 'application/octet-stream' } }

type Kills = ReadonlyMap<string, number>

function total(kills: Kills): number {
  return [...kills.values()].reduce((sum, times) => sum + times, 0)
}

/** What a client does that heard no answer: asks where the upload stands and goes on, or begins anew. */
async function goOn(client: RegistryClient, upload: string, bytes: Buffer): Promise<void> {
  const digest = digestOfBytes(bytes)
  const status = await client.send(upload)
  if (status.status === 204) {
    const rest = bytes.subarray(offsetOf(status.headers.range))
    const answer = await client.send(closing(upload, digest), { method: 'PUT', body: rest })
    assert.equal(answer.status, 201, answer.body.toString())
  } else {
    assert.equal(status.status, 404, status.body.toString())
    await client.pushBlob('kill/blob', bytes)
  }
  assert.equal(digestOfBytes(await client.pullBlob('kill/blob', digest)), digest)
}

async function wholeOrAbsent(client: RegistryClient, digest: string): Promise<void> {
  const found = await client.send(`/v2/kill/blob/blobs/${digest}`)
  if (found.status === 200) assert.equal(digestOfBytes(found.body), digest)
  else assert.equal(found.status, 404, found.body.toString())
}

/** A collection that waits for nobody leaves the bytes that rows speak of, and no others. */
async function leavesNoGarbage(berth: RunningBerth, t: TestContext, kills: Kills): Promise<void> {
  t.diagnostic(`killed ${total(kills)} times: ${Array.from(kills, ([call, times]) => `${call} ${times}`).join(', ')}`)
  assert.equal(await berth.stop(), 0)
  const { stdout } = await runBerth('garbage-collect', '--now', berth.configFile)
  t.diagnostic(stdout.trim().replaceAll('\n', '; '))
  assert.deepEqual(await violationsOf(berth), [])
}

// Most of the time a server starts: two at once keep two processors busy.
suite('kill -9 at every durable call', { concurrency: 2 }, () => {
  test('a server killed at any durable call of a closing PUT has the blob whole or not at all', async (t) => {
    await using berth = await startBerth(countable)
    const client = registryClient(berth.url)
    const kills = await killAtEveryCall(berth, {
      prepare: async () => ({ bytes: randomBytes(300_000), upload: await startUpload(client, berth.url, 'kill/blob') }),
      act: ({ bytes, upload }) => client.send(closing(upload, digestOfBytes(bytes)), { method: 'PUT', body: bytes }),
      check: async ({ bytes, upload }) => {
        await wholeOrAbsent(client, digestOfBytes(bytes))
        await goOn(client, upload, bytes)
      },
    })
    for (const call of ['libuv-worker: rename', 'libuv-worker: fsync', 'database writer: fsync']) assert.ok(kills.has(call), call)
    await leavesNoGarbage(berth, t, kills)
  })

  test('a server killed at any durable call of a PATCH goes on from what is durable', async (t) => {
    await using berth = await startBerth(countable)
    const client = registryClient(berth.url)
    const kills = await killAtEveryCall(berth, {
      prepare: async () => {
        const bytes = randomBytes(400_000)
        const upload = await startUpload(client, berth.url, 'kill/blob')
        await client.send(upload, { ...patch, body: bytes.subarray(0, 100_000) })
        return { bytes, upload }
      },
      act: ({ bytes, upload }) => client.send(upload, { ...patch, body: bytes.subarray(100_000) }),
      check: async ({ bytes, upload }) => {
        const status = await client.send(upload)
        assert.equal(status.status, 204)
        assert.ok(offsetOf(status.headers.range) >= 100_000, 'what was acknowledged stays')
        await goOn(client, upload, bytes)
      },
    })
    for (const call of ['libuv-worker: fdatasync', 'database writer: fsync']) assert.ok(kills.has(call), call)
    await leavesNoGarbage(berth, t, kills)
  })

  test('a server killed at any durable call of a manifest PUT has the tag old or new, never dangling', async (t) => {
    await using berth = await startBerth(countable)
    const client = registryClient(berth.url)
    const { config, layers } = await pushImage(client, 'kill/manifest', 'v1')
    let round = 0
    const kills = await killAtEveryCall(berth, {
      prepare: async () => {
        round += 1
        const annotations = { round: String(round) }
        const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers, annotations }
        return { before: await client.digestOf('kill/manifest', 'v1'), manifest }
      },
      act: ({ manifest }) => client.pushManifest('kill/manifest', 'v1', manifest),
      check: async ({ before, manifest }) => {
        const { descriptor } = await client.pullManifest('kill/manifest', 'v1')
        const after = digestOfBytes(Buffer.from(JSON.stringify(manifest)))
        assert.ok(descriptor.digest === before || descriptor.digest === after, 'the tag is old or new')
        await client.pushManifest('kill/manifest', 'v1', manifest)
        assert.equal(await client.digestOf('kill/manifest', 'v1'), after)
      },
    })
    assert.ok(kills.has('database writer: fsync'))
    await leavesNoGarbage(berth, t, kills)
  })

  test('a server killed at any durable call of a delete has the image whole or not at all', async (t) => {
    await using berth = await startBerth(countable)
    const client = registryClient(berth.url)
    let round = 0
    const kills = await killAtEveryCall(berth, {
      prepare: async () => {
        round += 1
        return await pushImage(client, 'kill/delete', `v${round}`)
      },
      act: ({ descriptor }) => client.send(`/v2/kill/delete/manifests/${descriptor.digest}`, { method: 'DELETE' }),
      check: async ({ descriptor, layers }) => {
        const tag = `v${round}`
        const found = await client.digestOf('kill/delete', tag)
        if (found === undefined) return
        assert.equal(found, descriptor.digest)
        for (const { digest } of layers) await client.pullBlob('kill/delete', digest)
        assert.equal((await client.send(`/v2/kill/delete/manifests/${found}`, { method: 'DELETE' })).status, 202)
      },
    })
    assert.ok(kills.has('database writer: fsync'))
    await leavesNoGarbage(berth, t, kills)
  })
})
