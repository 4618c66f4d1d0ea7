import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { openTestDatabase } from '#metadata/test-database.ts'
import { registryClient, type RegistryClient } from '../support/registry-client.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startS3Double } from '../support/s3-double.ts'
import { makeBucket, startBerthOnS3 } from '../support/s3-place.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'
import { violationsOf } from '../support/violations.ts'
import { makeOlder } from './age-transactions.ts'

const mebibyte = 1024 ** 2
const double = await startS3Double()
after(() => double[Symbol.asyncDispose]())

async function pushLayers(client: RegistryClient, count: number, sizeBytes: number): Promise<Map<string, Buffer>> {
  const layers = new Map<string, Buffer>()
  for (let made = 0; made < count; made++) {
    const bytes = randomBytes(sizeBytes + made)
    const layer = await client.pushBlob('app', bytes)
    const config = await client.pushBlob('app', Buffer.from(`{"made":${made}}`))
    const manifest = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config, layers: [layer] }
    await client.pushManifest('app', `v${made}`, manifest)
    layers.set(layer.digest, bytes)
  }
  return layers
}

async function pullAll(client: RegistryClient, layers: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [digest, bytes] of layers) assert.ok((await client.pullBlob('app', digest)).equals(bytes), digest)
}

/** Layers that the double was asked for: what is small comes without a range. */
function gets(): number {
  return double.seen.filter(({ operation, headers }) => operation === 'GET object' && headers.range !== undefined).length
}

suite('a cold store', () => {
  test('takes what nobody pulls, gives it back with a pull, and nothing is wrong afterwards', async () => {
    const { endpoint: regionendpoint, accessKeyId: accesskey, secretAccessKey: secretkey } = double
    const s3 = { bucket: await makeBucket(double), region: 'us-east-1', regionendpoint, accesskey, secretkey }
    const tiers = { cold: 'archive', rules: [{ notpulledfor: '720h', minimumsize: '10KiB' }], schedule: 'off' }
    await using berth = await startBerth({
      config: { storage: { stores: { archive: { s3 } }, tiers, readersdelay: '0', redirect: { except: ['127.0.0.0/8'] } } },
    })
    const client = registryClient(berth.url)
    const layers = await pushLayers(client, 6, 300_000)
    assert.match((await runBerth('storage', 'move-cold', berth.configFile, '--dry-run')).stdout, /^would move 0 blobs/)
    await berth.stop()
    {
      await using metadata = await openTestDatabase(join(berth.dataDir, 'berth.db'))
      await metadata.write(makeOlder, { byMs: 60 * 24 * 3_600_000 })
    }
    await berth.restart()
    assert.match((await runBerth('storage', 'move-cold', berth.configFile)).stdout, /^6 blobs moved/)
    await runBerth('garbage-collect', berth.configFile)
    const files = async () =>
      (await readdir(join(berth.dataDir, 'blobs'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    assert.equal((await files()).filter(({ name }) => name !== '.berth-store').length, 6, 'configs alone are on the disk')
    const listed = async () => (await runBerth('storage', 'list', berth.configFile)).stdout
    assert.match(await listed(), /^archive +s3 +cold +6 /m)
    // Many at once, as a cluster pulls.
    await Promise.all(Array.from({ length: 5 }, () => pullAll(client, layers)))
    await until('all are back', async () => {
      await pullAll(client, layers)
      return /^archive +s3 +cold +0 /m.test(await listed())
    })
    await pullAll(client, layers)
    assert.match((await runBerth('storage', 'move-cold', berth.configFile)).stdout, /^0 blobs moved/)
    await berth.stop()
    assert.deepEqual(await violationsOf(berth), [])
    const scrubbed = await tryBerth('scrub', berth.configFile)
    assert.equal(scrubbed.status, 0, scrubbed.output)
  })
})

suite('a disk before an object store', () => {
  test('gives what it has without the object store, over kill -9 too, never other bytes, and never more than its size', async () => {
    await using directory = await temporaryDirectory('cache')
    const readthrough = { directory: directory.path, size: '64MiB', maximumblob: '16MiB' }
    await using berth = await startBerthOnS3(double, { readthrough })
    const client = registryClient(berth.url)
    const layers = await pushLayers(client, 8, 9 * mebibyte)
    const smallBytes = randomBytes(2_000)
    const small = await client.pushBlob('app', smallBytes)
    const cached = async () => {
      const entries = await readdir(directory.path, { recursive: true, withFileTypes: true })
      return entries
        .filter((entry) => entry.isFile() && !entry.name.endsWith('.serving'))
        .map((entry) => join(entry.parentPath, entry.name))
    }
    const bytes = async () => {
      const sizes = await Promise.all((await cached()).map(async (file) => (await stat(file).catch(() => ({ size: 0 }))).size))
      return sizes.reduce((sum, size) => sum + size, 0)
    }
    const [first = ''] = [...layers.keys()]
    // Not redirected: the bytes come from here, once from the object store for all.
    const before = gets()
    const pulls = await Promise.all(Array.from({ length: 8 }, () => client.send(`/v2/app/blobs/${first}`)))
    for (const { status, body } of pulls) assert.ok(status === 200 && body.equals(layers.get(first) ?? Buffer.of()))
    assert.equal(gets() - before, 1)
    await pullAll(client, layers)
    assert.ok((await bytes()) <= 64 * mebibyte)
    // In the middle of a fill.
    const pulling = pullAll(client, layers).catch(() => undefined)
    await berth.kill9()
    await pulling
    await berth.restart()
    assert.ok((await bytes()) <= 64 * mebibyte)
    await until('nothing half-filled is left', async () => (await cached()).every((file) => !file.includes('fill-')))
    const last = new Map([...layers].slice(-2))
    await pullAll(client, last)
    const known = gets()
    await pullAll(client, last)
    assert.equal(gets(), known)
    // Damage on the disk: another size, and, of a small blob, other bytes.
    await client.pullBlob('app', small.digest)
    const smallFile = async () => (await cached()).find((name) => name.endsWith(small.digest.slice(7)))
    // What came whole is answered before it is kept.
    await until('the small one is kept', async () => (await smallFile()) !== undefined)
    await berth.stop()
    await berth.restart()
    for (const digest of last.keys()) {
      const file = (await cached()).find((name) => name.endsWith(digest.slice(7)))
      if (file !== undefined) await truncate(file, 1_000)
    }
    const config = await smallFile()
    assert.ok(config !== undefined)
    await writeFile(config, randomBytes((await readFile(config)).length))
    await pullAll(client, last)
    assert.ok(smallBytes.equals(await client.pullBlob('app', small.digest)))
    assert.ok(smallBytes.equals((await client.send(`/v2/app/blobs/${small.digest}`)).body))
  })
})
