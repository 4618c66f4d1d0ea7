import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { digestOfBytes, mediaTypes, pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { runBerth } from '../support/run-berth.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { closing, startUpload } from '../support/upload.ts'
import { violationsOf } from '../support/violations.ts'

const raceMs = 3000

async function storedCopies(berth: RunningBerth): Promise<number> {
  const entries = await readdir(join(berth.dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile() && entry.name !== '.berth-store').length
}

test('twenty uploads of one blob at once all succeed and leave one copy', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const bytes = randomBytes(1 << 20)
  const digest = digestOfBytes(bytes)
  const uploads = await Promise.all(Array.from({ length: 20 }, (_, at) => startUpload(client, berth.url, `race/copies${at % 4}`)))
  const answers = await Promise.all(uploads.map((upload) => client.send(closing(upload, digest), { method: 'PUT', body: bytes })))
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]))
  for (let at = 0; at < 4; at++) assert.deepEqual(await client.pullBlob(`race/copies${at}`, digest), bytes)
  assert.equal(await storedCopies(berth), 1)
  assert.deepEqual(await violationsOf(berth), [])
})

test('while tags are pushed and their manifests deleted, every answer is clear and every listed tag resolves', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const { config, layers } = await pushImage(client, 'race/tags', undefined)
  const documents = Array.from({ length: 4 }, (_, n) =>
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers, annotations: { n: String(n) } })),
  )
  const statuses = new Map<string, number>()
  const until = performance.now() + raceMs
  const lane = async (method: 'PUT' | 'DELETE', pathOf: (round: number, bytes: Buffer) => string) => {
    for (let round = 0; performance.now() < until; round++) {
      const bytes = documents[round % documents.length] ?? Buffer.alloc(0)
      const request = method === 'PUT' ? { method, body: bytes, headers: { 'content-type': mediaTypes.manifest } } : { method }
      const { status, body } = await client.send(`/v2/race/tags/manifests/${pathOf(round, bytes)}`, request)
      assert.ok([201, 202, 404].includes(status), `${method}: ${status} ${body.toString()}`)
      statuses.set(`${method} ${status}`, (statuses.get(`${method} ${status}`) ?? 0) + 1)
    }
  }
  await Promise.all([
    lane('PUT', (round) => `v${round % 3}`),
    lane('PUT', (round) => `v${(round + 1) % 3}`),
    lane('DELETE', (_, bytes) => digestOfBytes(bytes)),
  ])
  for (const outcome of ['PUT 201', 'DELETE 202']) assert.ok((statuses.get(outcome) ?? 0) > 10, JSON.stringify([...statuses]))
  const { tags } = JSON.parse((await client.send('/v2/race/tags/tags/list')).body.toString()) as { tags: string[] }
  for (const tag of tags) await client.pullManifest('race/tags', tag)
  assert.deepEqual(await violationsOf(berth), [])
})

test('a collection between the push of a layer and its manifest leaves the layer, as long as a lease lasts', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const layer = await client.pushBlob('race/lease', randomBytes(1000), mediaTypes.layer)
  const config = await client.pushBlob('race/lease', Buffer.from('{}'), mediaTypes.config)
  await runBerth('garbage-collect', berth.configFile)
  assert.equal((await client.send(`/v2/race/lease/blobs/${layer.digest}`, { method: 'HEAD' })).status, 200)
  await client.pushManifest('race/lease', 'v1', { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] })
  await client.pullBlob('race/lease', layer.digest)
  assert.deepEqual(await violationsOf(berth), [])
})

test('a layer that another process collected is missing at once: its manifest is refused by name, and a push brings it back', async () => {
  await using berth = await startBerth({ config: { storage: { garbagedelay: '0s' } } })
  const client = registryClient(berth.url)
  const bytes = randomBytes(1000)
  const layer = await client.pushBlob('race/gone', bytes, mediaTypes.layer)
  assert.deepEqual(await client.pullBlob('race/gone', layer.digest), bytes, 'the server remembers the bytes')
  const { stdout } = await runBerth('garbage-collect', berth.configFile)
  assert.match(stdout, /deleted 0 manifests and 1 blob/u)
  for (const method of ['HEAD', 'GET']) assert.equal((await client.send(`/v2/race/gone/blobs/${layer.digest}`, { method })).status, 404)
  const config = await client.pushBlob('race/gone', Buffer.from('{}'), mediaTypes.config)
  const document = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] }
  const put = { method: 'PUT', body: JSON.stringify(document), headers: { 'content-type': mediaTypes.manifest } }
  const refused = await client.send('/v2/race/gone/manifests/v1', put)
  assert.ok(refused.status === 404 || refused.status === 400, String(refused.status))
  assert.match(refused.body.toString(), /MANIFEST_BLOB_UNKNOWN/u)
  assert.ok(refused.body.toString().includes(layer.digest))
  await client.pushBlob('race/gone', bytes, mediaTypes.layer)
  assert.equal((await client.send('/v2/race/gone/manifests/v1', put)).status, 201)
  assert.deepEqual(await client.pullBlob('race/gone', layer.digest), bytes)
  assert.deepEqual(await violationsOf(berth), [])
})

interface Ending {
  readonly client: RegistryClient
  /** What lies in `race/from`, and whose lease is ending. */
  readonly bytes: Buffer
  readonly digest: string
  readonly at: number
}

/** Where the blob is from now on for a whole lease; undefined when nothing was acknowledged. */
type Renewal = (ending: Ending) => Promise<string | undefined>

/** Collections run in another process without a pause, while twenty blobs are renewed about the ends of their leases. Resolves to how many were. */
async function whileLeasesEnd(renew: Renewal): Promise<number> {
  const leaseMs = 4_000
  await using berth = await startBerth({ config: { storage: { garbagedelay: `${leaseMs}ms`, readersdelay: '0s' } } })
  const client = registryClient(berth.url)
  let renewed = 0
  const lane = async (at: number) => {
    const bytes = randomBytes(500 + at)
    const { digest } = await client.pushBlob('race/from', bytes)
    await sleep(leaseMs / 2 + (at * leaseMs) / 20)
    const begunAt = performance.now()
    const repository = await renew({ client, bytes, digest, at })
    if (repository === undefined) return
    renewed++
    for (;;) {
      const answer = await client.send(`/v2/${repository}/blobs/${digest}`)
      // Its lease is over, or may be.
      if (performance.now() - begunAt > leaseMs) return
      assert.equal(answer.status, 200, 'what is acknowledged holds')
      assert.deepEqual(answer.body, bytes)
      await sleep(leaseMs / 20)
    }
  }
  let isOver = false
  const collections = (async () => {
    while (!isOver) await runBerth('garbage-collect', berth.configFile)
  })()
  try {
    await Promise.all(Array.from({ length: 20 }, (_, at) => lane(at)))
  } finally {
    isOver = true
    await collections
  }
  assert.deepEqual(await violationsOf(berth), [])
  return renewed
}

test('while blobs are mounted whose lease is ending, collections in another process take none whose mount was acknowledged', async () => {
  const mounted = await whileLeasesEnd(async ({ client, digest, at }) => {
    const mount = await client.send(`/v2/race/to${at}/blobs/uploads/?mount=${digest}&from=race/from`, { method: 'POST', body: '' })
    assert.ok([201, 202].includes(mount.status), `${mount.status} ${mount.body.toString()}`)
    return mount.status === 201 ? `race/to${at}` : undefined
  })
  assert.ok(mounted > 0)
})

test('while blobs are pushed again whose lease is ending, collections in another process take none whose push was acknowledged', async () => {
  const pushed = await whileLeasesEnd(async ({ client, bytes }) => {
    await client.pushBlob('race/from', bytes)
    return 'race/from'
  })
  assert.equal(pushed, 20)
})

test('while images are pushed and deleted, collections in another process take nothing that a push was acknowledged with', async () => {
  await using berth = await startBerth({ config: { storage: { garbagedelay: '1h' } } })
  const client = registryClient(berth.url)
  let isOver = false
  const pushes = Array.from({ length: 3 }, async (_, lane) => {
    const repository = `race/collected${lane}`
    for (let round = 0; !isOver; round++) {
      const { descriptor, layers } = await pushImage(client, repository, 'v1', { files: { round: `${lane} ${round % 3}` } })
      for (const { digest } of layers) assert.equal(digestOfBytes(await client.pullBlob(repository, digest)), digest)
      if (round % 2 === 1) await client.send(`/v2/${repository}/manifests/${descriptor.digest}`, { method: 'DELETE' })
    }
  })
  for (let run = 0; run < 3; run++) await runBerth('garbage-collect', '--delete-untagged', berth.configFile)
  isOver = true
  await Promise.all(pushes)
  assert.deepEqual(await violationsOf(berth), [])
})
