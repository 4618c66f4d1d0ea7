import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { assertThere, clientOf, fill, makeTarget } from '../support/backup-stage.ts'
import { sendRequest } from '../support/http-client.ts'
import { digestOfBytes, mediaTypes } from '../support/registry-client.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startS3Double } from '../support/s3-double.ts'
import { makeBucket, startBerthOnS3 } from '../support/s3-place.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const double = await startS3Double()
after(() => double[Symbol.asyncDispose]())

async function s3(more: Readonly<Record<string, unknown>> = {}, server = double) {
  const { endpoint, accessKeyId, secretAccessKey } = server
  return {
    bucket: await makeBucket(server),
    region: 'us-east-1',
    regionendpoint: endpoint,
    accesskey: accessKeyId,
    secretkey: secretAccessKey,
    ...more,
  }
}

/** On PostgreSQL each place has its own anyway. */
function databaseIn(path: string): Readonly<Record<string, unknown>> {
  return testDialect === 'postgres' ? {} : { database: { file: join(path, 'berth.db') } }
}

suite('backups and object stores', { concurrency: 2 }, () => {
  test('a backup goes to a bucket, large blobs in parts, while one request in five is answered "slow down"; it is restored from a bucket to a bucket', async () => {
    // Of its own: what the others ask for is not to be refused.
    await using busy = await startS3Double()
    await using place = await temporaryDirectory('backups')
    const keyfile = join(place.path, 'key')
    await writeFile(keyfile, `${randomBytes(32).toString('base64')}\n`)
    const backup = { store: { s3: await s3({ chunksize: '5MiB' }, busy) }, keyfile }
    await using berth = await startBerth({ config: { backup } })
    const client = clientOf(berth)
    const images = await fill(client)
    const large = randomBytes(12 << 20)
    const layer = await client.pushBlob('library/large', large, mediaTypes.layer)
    const config = await client.pushBlob('library/large', Buffer.from('{}'), mediaTypes.config)
    await client.pushManifest('library/large', 'v1', { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] })
    await using target = await makeTarget({
      backup,
      ...databaseIn(place.path),
      storage: { filesystem: undefined, s3: await s3({ rootdirectory: '/registry' }, busy) },
    })
    busy.faults.busyPercent = 20
    await runBerth('backup', 'create', berth.configFile)
    await runBerth('backup', 'create', berth.configFile)
    await runBerth('backup', 'prune', berth.configFile, '--keep-last', '1', '--yes')
    assert.match((await runBerth('backup', 'verify', berth.configFile)).stdout, /1 backup, .*\nAll is what was written/)
    await runBerth('restore', target.configFile)
    busy.faults.busyPercent = 0
    await using restored = await target.start()
    const pulled = await clientOf(restored).send(`/v2/library/large/blobs/${layer.digest}`)
    assert.equal(pulled.status, 307)
    assert.equal(digestOfBytes((await sendRequest(pulled.headers.location ?? '')).body), layer.digest)
    for (const { repository, tag, digest } of images) assert.equal(await clientOf(restored).digestOf(repository, tag), digest)
    assert.deepEqual(busy.refused, [])
  })

  test('a registry on a bucket is backed up to a directory and restored into a directory', async () => {
    await using berth = await startBerthOnS3(double)
    const images = await fill(clientOf(berth))
    await using place = await temporaryDirectory('backups')
    await runBerth('backup', 'create', berth.configFile, '--at', place.path)
    await using target = await makeTarget()
    await runBerth('restore', target.configFile, '--from', place.path)
    await using restored = await target.start()
    await assertThere(clientOf(restored), images)
  })

  test('a bucket whose database is lost has a journal, from which it is recovered', async () => {
    await using databases = await temporaryDirectory('databases')
    const storage = { filesystem: undefined, s3: await s3({ rootdirectory: '/registry' }) }
    await using place = await makeTarget({ storage, ...databaseIn(databases.path) })
    const berth = await place.start()
    const images = await fill(clientOf(berth))
    await until('the journal has a base', async () => {
      const keys = [...(double.buckets.get(storage.s3.bucket)?.objects.keys() ?? [])]
      return keys.some((key) => key.includes('journal/') && key.endsWith('/complete'))
    })
    await berth.stop()
    const scrubbed = await tryBerth('scrub', place.configFile)
    // Moved since the journal said where: keys of a bucket do not tell what is under them, so bytes are read.
    const { objects } = double.buckets.get(storage.s3.bucket) ?? { objects: new Map() }
    const moved = [...objects.keys()].find((key) => key.includes('/blobs/u/'))
    assert.ok(moved !== undefined)
    const object = objects.get(moved)
    objects.delete(moved)
    if (object !== undefined) objects.set(moved.replace(/[^/]+$/, 'somewhere-else'), object)
    assert.equal(scrubbed.status, 0, scrubbed.output)
    await using lost = await makeTarget({ storage, ...databaseIn(join(databases.path, 'another')) })
    const recovered = await tryBerth('recover', '--yes', lost.configFile)
    assert.equal(recovered.status, 0, recovered.output)
    await using again = await lost.start()
    for (const { repository, tag, digest, layer } of images) {
      assert.equal(await clientOf(again).digestOf(repository, tag), digest)
      assert.ok([200, 307].includes((await clientOf(again).send(`/v2/${repository}/blobs/${layer.digest}`, { method: 'HEAD' })).status))
    }
  })
})
