import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import type { Config } from '#config/config.ts'
import { checkObjectStore } from '#features/doctor-object-store.ts'
import { systemPorts } from '#lib/ports.ts'
import { makeGcsBucket } from '../drivers/gcs-fixture.ts'
import { startBerthOnCloud } from '../support/cloud-place.ts'
import { fetchBlob, pushAndPull, pushOverRestarts, pushWhileAway } from '../support/cloud-registry.ts'
import { loseAndRecover } from '../support/lost-database.ts'
import { startGcsDouble } from '../support/gcs-double.ts'
import { registryClient } from '../support/registry-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const double = await startGcsDouble()
after(() => double[Symbol.asyncDispose]())

const { endpoint, account } = double

suite('a registry on Google Cloud Storage', () => {
  test('takes and gives images by the key of a service account; layers by signed URLs that nobody can alter', async () => {
    const bucket = await makeGcsBucket(double)
    await using directory = await temporaryDirectory('gcs-key')
    const keyfile = join(directory.path, 'key.json')
    await writeFile(keyfile, JSON.stringify(account))
    await using berth = await startBerthOnCloud({ gcs: { bucket, endpoint, keyfile, rootdirectory: '/a/b' } })
    await pushAndPull(berth, { layerBytes: 20 * 1024 ** 2, isRedirected: true })
    const names = [...(double.buckets.get(bucket)?.objects.keys() ?? [])]
    assert.ok(
      names.every((name) => name === 'a/b/blobs/.berth-store' || name.startsWith('a/b/blobs/u/') || name.startsWith('a/b/journal/')),
    )
    assert.ok(names.some((name) => name.startsWith('a/b/blobs/u/')))
    assert.deepEqual(double.refused, [])
    const client = registryClient(berth.url)
    const { digest } = await client.pushBlob('cloud/signed', Buffer.alloc(200_000, 'x'))
    const { location = '' } = await fetchBlob(client, 'cloud/signed', digest)
    assert.equal((await fetch(location)).status, 200)
    for (const altered of [location.replace('X-Goog-Expires=1', 'X-Goog-Expires=9'), location.replace(/Signature=..../, 'Signature=0000')])
      assert.equal((await fetch(altered)).status, 403)
    assert.doesNotMatch(berth.logs(), /Signature=[0-9a-f]{8}|PRIVATE KEY|deprecated/)
    double.refused.length = 0
  })

  test('an upload whose chunks each met another process is read back, proved, and becomes a blob', async () => {
    const bucket = await makeGcsBucket(double)
    await using berth = await startBerthOnCloud({ gcs: { bucket, endpoint, credentials: { ...account } } })
    await pushOverRestarts(berth)
    const { objects, uploads } = double.buckets.get(bucket) ?? {}
    assert.deepEqual([[...(objects?.keys() ?? [])].filter((name) => name.startsWith('uploads/')), uploads?.size], [[], 0])
    assert.deepEqual(double.refused, [])
  })

  test('an upload keeps what was acknowledged while the store is away, and goes on from there', async () => {
    const bucket = await makeGcsBucket(double)
    await using berth = await startBerthOnCloud({ gcs: { bucket, endpoint, credentials: { ...account } } })
    await pushWhileAway(berth, { leave: () => (double.faults.busyPercent = 100), comeBack: () => (double.faults.busyPercent = 0) })
    const { objects } = double.buckets.get(bucket) ?? {}
    assert.deepEqual(
      [...(objects?.keys() ?? [])].filter((name) => name.startsWith('uploads/')),
      [],
    )
  })

  test('is not taken by an empty database, and gives back by recovery what was pushed', async () => {
    const bucket = await makeGcsBucket(double)
    await using berth = await startBerthOnCloud({ gcs: { bucket, endpoint, credentials: { ...account } } })
    await loseAndRecover(berth)
    assert.deepEqual(double.refused, [])
  })

  test('the doctor writes, reads, signs and removes an object, and says what is wrong', async () => {
    const bucket = await makeGcsBucket(double)
    const gcs = { bucket, endpoint, prefix: '', partBytes: 16 * 1024 ** 2, credentials: { kind: 'written', members: { ...account } } }
    const examine = async (change: object = {}) => {
      const storage = { driver: 'gcs', gcs: { ...gcs, ...change } }
      const found = await checkObjectStore({ config: { storage } as unknown as Config, ports: systemPorts })
      return found.map(({ verdict, message }) => `${verdict}: ${message}`).join('\n')
    }
    assert.equal(await examine(), 'ok: the object store (gcs) takes, gives and removes objects')
    assert.equal(double.buckets.get(bucket)?.objects.size, 0)
    assert.match(await examine({ bucket: 'no-such-bucket' }), /^problem: .*NoSuchBucket; see docs\/guides\/gcs\.md/)
    assert.match(await examine({ credentials: { kind: 'file', file: '/nowhere/key.json' } }), /^problem: .*no credentials/)
    assert.match(await examine({ credentials: { kind: 'none' } }), /^problem: .*401/)
    double.refused.length = 0
  })
})
