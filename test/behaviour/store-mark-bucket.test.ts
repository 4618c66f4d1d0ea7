import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { openTestDatabase } from '#metadata/test-database.ts'
import { startDaemon } from '../support/daemon.ts'
import { loseAndRecover, withEmptyDatabase } from '../support/lost-database.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startS3Double } from '../support/s3-double.ts'
import { makeBucket, startBerthOnS3 } from '../support/s3-place.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'
import { forgetStores } from './forget-stores.ts'

const double = await startS3Double()
after(() => double[Symbol.asyncDispose]())

const markName = 'registry/blobs/.berth-store'
type OnS3 = Awaited<ReturnType<typeof startBerthOnS3>>

function bucketsOf({ buckets }: typeof double) {
  return buckets as Map<string, NonNullable<ReturnType<typeof buckets.get>>>
}

function objectsOf({ bucket }: Pick<OnS3, 'bucket'>) {
  const found = double.buckets.get(bucket)?.objects
  assert.ok(found !== undefined)
  return found
}

function namesOf(berth: OnS3, prefix: string): string[] {
  return [...objectsOf(berth).keys()].filter((name) => name.startsWith(prefix)).toSorted()
}

async function pushed(berth: OnS3) {
  const image = await pushImage(registryClient(berth.url), 'lost/app', 'v1')
  await until('the journal has a base', async () => namesOf(berth, 'registry/journal/').some((name) => name.endsWith('/complete')))
  return image
}

suite('a bucket', () => {
  test('gets the mark of its database at the first start, and is asked for it once at each', async () => {
    await using berth = await startBerthOnS3(double)
    const mark = objectsOf(berth).get(markName)?.bytes.toString() ?? ''
    assert.match(mark, /^[0-9a-f-]{36}\n/u)
    await pushImage(registryClient(berth.url), 'own/app', 'v1')
    await berth.stop()
    const before = double.seen.length
    await berth.restart()
    await pushImage(registryClient(berth.url), 'own/app', 'v2')
    const about = double.seen.slice(before).filter(({ key }) => key === markName)
    assert.deepEqual(
      about.map(({ operation }) => operation),
      ['GET object'],
    )
    assert.equal(objectsOf(berth).get(markName)?.bytes.toString(), mark)
    assert.match((await runBerth('doctor', berth.configFile)).output, /ok +store +.*is the mark of these blobs/u)
  })

  test('that has the mark of another database is not taken by an empty one, and recover is named first', async () => {
    await using berth = await startBerthOnS3(double)
    await pushed(berth)
    await loseAndRecover(berth)
  })

  test('is not written to by a start that is refused', async () => {
    await using berth = await startBerthOnS3(double)
    await pushed(berth)
    await berth.stop()
    const before = new Map(objectsOf(berth))
    assert.equal((await tryBerth('serve', await withEmptyDatabase(berth))).status, 1)
    assert.deepEqual(new Map(objectsOf(berth)), before)
  })

  for (const [what, kept] of [
    ['a journal', 'registry/journal/'],
    ['blobs', 'registry/blobs/u/'],
  ] as const)
    test(`that has ${what} and no mark is not taken by an empty database; store accept takes it when it is meant`, async () => {
      await using berth = await startBerthOnS3(double)
      await pushed(berth)
      await berth.stop()
      for (const name of namesOf(berth, '')) if (!name.startsWith(kept)) objectsOf(berth).delete(name)
      const lost = await withEmptyDatabase(berth)
      const refused = await tryBerth('serve', lost)
      assert.equal(refused.status, 1, refused.output)
      assert.match(refused.output, /of another database, without a mark.*was the database lost.*berth recover/u)
      assert.match((await tryBerth('doctor', lost)).output, /PROBLEM +store +.*berth recover/u)
      const asked = await tryBerth('store', 'accept', lost)
      assert.equal(asked.status, 2, asked.output)
      assert.match(asked.output, /of which this empty database knows nothing.*add --yes/u)
      await runBerth('store', 'accept', '--yes', lost)
      await writeFile(berth.configFile, await readFile(lost))
      await berth.restart()
      await pushImage(registryClient(berth.url), 'lost/app', 'v1')
    })

  test('of a database from before buckets had marks gets one at its next start', async () => {
    await using berth = await startBerthOnS3(double)
    const image = await pushed(berth)
    await berth.stop()
    objectsOf(berth).delete(markName)
    {
      await using metadata = await openTestDatabase(join(berth.dataDir, 'berth.db'))
      await metadata.write(forgetStores, undefined)
    }
    await berth.restart()
    assert.ok(objectsOf(berth).has(markName))
    for (const { digest } of image.layers) await registryClient(berth.url).pullBlob('lost/app', digest)
  })

  test('in which the blobs of the database are not is not served', async () => {
    await using berth = await startBerthOnS3(double)
    await pushed(berth)
    await berth.stop()
    const kept = new Map(objectsOf(berth))
    objectsOf(berth).clear()
    const refused = await tryBerth('serve', berth.configFile)
    assert.equal(refused.status, 1, refused.output)
    assert.match(refused.output, /the blobs that the database knows are not there.*Are bucket and prefix of the store s3 the right ones\?/u)
    assert.equal(objectsOf(berth).size, 0)
    for (const [name, object] of kept) objectsOf(berth).set(name, object)
    await berth.restart()
  })

  test('that is away at the start of an empty database, and another’s when it is back, is not written to', async () => {
    await using owner = await startBerthOnS3(double)
    await pushed(owner)
    await owner.stop()
    const names = namesOf(owner, '')
    const bucket = double.buckets.get(owner.bucket)
    assert.ok(bucket !== undefined)
    bucketsOf(double).delete(owner.bucket)
    const lost = await withEmptyDatabase(owner)
    const launcher = join(import.meta.dirname, '../../bin/berth.mjs')
    const ready = async () => {
      const answer = await registryClient(owner.url)
        .send('/v2/')
        .catch(() => undefined)
      return answer?.status === 200
    }
    const stray = await startDaemon([process.execPath, launcher, 'serve', lost], ready, { env: { PATH: process.env['PATH'] ?? '' } })
    try {
      bucketsOf(double).set(owner.bucket, bucket)
      await until('the store is looked at', async () =>
        /nothing is written to the store: .*mark of another database.*berth recover/u.test(stray.logs()),
      )
      const client = registryClient(owner.url)
      const refused = await client.send('/v2/stray/app/blobs/uploads/', { method: 'POST' })
      const location = String(refused.headers['location'] ?? '')
      const answer = location === '' ? refused : await client.send(location, { method: 'PATCH', body: Buffer.alloc(10) })
      assert.equal(answer.status, 503, answer.body.toString())
      assert.match((await client.send('/readyz?verbose')).body.toString(), /"storage":"failed"/u)
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      assert.deepEqual(namesOf(owner, ''), names)
    } finally {
      await stray.stop()
    }
  })

  test('that is away at the first start is marked when it is there, and pushes go on', async () => {
    await using berth = await startBerthOnS3(double, { s3: { bucket: 'comes-later' } })
    const client = registryClient(berth.url)
    assert.equal((await client.send('/v2/')).status, 200)
    bucketsOf(double).set('comes-later', { objects: new Map(), uploads: new Map() })
    await until('pushes are taken', async () => (await client.send('/readyz?verbose')).body.toString().includes('"storage":"ok"'))
    await pushImage(client, 'late/app', 'v1')
    assert.ok(double.buckets.get('comes-later')?.objects.has(markName))
  })
})

test('a further store in a bucket is marked, one of another database is refused, and recover takes it back', async () => {
  const { endpoint: regionendpoint, accessKeyId: accesskey, secretAccessKey: secretkey } = double
  const s3 = { bucket: await makeBucket(double), region: 'us-east-1', regionendpoint, accesskey, secretkey, rootdirectory: '/registry' }
  await using place = await temporaryDirectory('further')
  const config = { storage: { stores: { archive: { s3 } } } }
  await using berth = await startBerth({ dataDir: join(place.path, 'one'), config })
  await pushImage(registryClient(berth.url), 'app', 'v1')
  assert.ok(double.buckets.get(s3.bucket)?.objects.has(markName))
  await berth.stop()
  await using other = await startBerth({ dataDir: join(place.path, 'two') })
  await other.stop()
  const changed = JSON.parse(await readFile(other.configFile, 'utf8')) as { storage: object }
  await writeFile(other.configFile, JSON.stringify({ ...changed, storage: { ...changed.storage, ...config.storage } }))
  const refused = await tryBerth('serve', other.configFile)
  assert.equal(refused.status, 1)
  assert.match(refused.output, /the store archive has the mark of another database/u)
  const lost = await withEmptyDatabase(berth, 'lost')
  const recovered = await tryBerth('recover', '--yes', lost)
  assert.equal(recovered.status, 0, recovered.output)
})
