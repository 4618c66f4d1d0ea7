import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { violationsOf } from '../support/violations.ts'

const ofSqlite = { skip: testDialect === 'sqlite' ? false : 'takes the file of the database away' }

/** As when a mount is lost: an empty directory where the blobs were. */
async function lose({ dataDir }: RunningBerth): Promise<void> {
  await rename(join(dataDir, 'blobs'), join(dataDir, 'blobs.away'))
  await mkdir(join(dataDir, 'blobs'))
}

async function mountAgain({ dataDir }: RunningBerth): Promise<void> {
  await rm(join(dataDir, 'blobs'), { recursive: true })
  await rename(join(dataDir, 'blobs.away'), join(dataDir, 'blobs'))
}

test('while the disk of the blobs is away nothing is acknowledged, nothing is given up, and all goes on when it is back', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'lost/app', 'v1')
  const [layer] = image.layers
  assert.ok(layer)
  await lose(berth)
  const bytes = randomBytes(1000)
  const refused = await client.send('/v2/lost/app/blobs/uploads/', { method: 'POST' })
  const location = refused.headers['location']
  const answer =
    location === undefined
      ? refused
      : await client.send(`${String(location)}&digest=sha256:${'0'.repeat(64)}`, { method: 'PUT', body: bytes })
  assert.equal(answer.status, 503, answer.body.toString())
  assert.match(answer.body.toString(), /UNAVAILABLE.*mount it again/u)
  for (const method of ['GET', 'HEAD']) assert.equal((await client.send(`/v2/lost/app/blobs/${layer.digest}`, { method })).status, 503)
  const ready = await client.send('/readyz?verbose')
  assert.equal(ready.status, 503)
  assert.match(ready.body.toString(), /"storage":"failed"/u)
  assert.match(berth.logs(), /is the disk of the blobs mounted\?/u)
  assert.match((await tryBerth('doctor', berth.configFile)).output, /PROBLEM +store +.*is not there: mount the disk/u)
  const scrubbed = await tryBerth('scrub', berth.configFile)
  assert.equal(scrubbed.status, 1)
  assert.match(scrubbed.output, /Is the disk mounted\?/u)
  await mountAgain(berth)
  await client.pullBlob('lost/app', layer.digest)
  await pushImage(client, 'lost/app', 'v2')
  assert.equal((await tryBerth('scrub', berth.configFile)).status, 0)
  assert.deepEqual(await violationsOf(berth), [])
})

test('a registry whose blobs are not there does not start, and store accept takes what was restored without the mark', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'lost/app', 'v1')
  await berth.stop()
  await lose(berth)
  await rename(join(berth.dataDir, 'blobs'), join(berth.dataDir, 'blobs.empty'))
  const lying = await readdir(berth.dataDir)
  const refused = await tryBerth('serve', berth.configFile)
  assert.deepEqual(await readdir(berth.dataDir), lying, 'a start that is refused makes nothing')
  await rename(join(berth.dataDir, 'blobs.empty'), join(berth.dataDir, 'blobs'))
  assert.equal(refused.status, 1)
  assert.match(refused.output, /the blobs that the database knows are not there.*berth store accept/u)
  for (const command of ['garbage-collect', 'scrub']) assert.equal((await tryBerth(command, berth.configFile)).status, 1)
  await mountAgain(berth)
  const mark = join(berth.dataDir, 'blobs', '.berth-store')
  const own = await readFile(mark, 'utf8')
  await writeFile(mark, `${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}\n`)
  assert.match((await tryBerth('serve', berth.configFile)).output, /that of another store/u)
  await rm(mark)
  assert.equal((await tryBerth('serve', berth.configFile)).status, 1)
  await runBerth('store', 'accept', berth.configFile)
  assert.equal(await readFile(mark, 'utf8'), own)
  await berth.restart()
  for (const { digest } of image.layers) await client.pullBlob('lost/app', digest)
  assert.deepEqual(await violationsOf(berth), [])
})

async function loseDatabase({ dataDir }: RunningBerth): Promise<void> {
  for (const name of ['berth.db', 'berth.db-wal', 'berth.db-shm']) await rm(join(dataDir, name), { force: true })
}

test('a store with the mark of another database is not taken by an empty one', ofSqlite, async () => {
  await using berth = await startBerth()
  await pushImage(registryClient(berth.url), 'lost/app', 'v1')
  await berth.stop()
  const mark = join(berth.dataDir, 'blobs', '.berth-store')
  const before = await readFile(mark, 'utf8')
  await loseDatabase(berth)
  const lying = await readdir(berth.dataDir)
  for (let start = 0; start < 2; start++) {
    const { status, output } = await tryBerth('serve', berth.configFile)
    assert.equal(status, 1, output)
    assert.match(output, /this store has the mark of another database.*was the database lost, or its path changed\?.*berth store accept/u)
  }
  assert.match((await tryBerth('doctor', berth.configFile)).output, /PROBLEM +store +.*is the mark of another database/u)
  assert.equal((await tryBerth('serve', '--workers', '2', berth.configFile)).status, 1)
  const refused = await tryBerth('store', 'accept', berth.configFile)
  assert.equal(refused.status, 2)
  assert.match(refused.output, /is the mark of another database's store.*add --yes/u)
  assert.equal(await readFile(mark, 'utf8'), before)
  assert.deepEqual(await readdir(berth.dataDir), lying, 'a start that is refused makes nothing')
  await runBerth('store', 'accept', '--yes', berth.configFile)
  await berth.restart()
  await pushImage(registryClient(berth.url), 'lost/app', 'v1')
})

test('a database from before there were marks takes its blobs at the start', ofSqlite, async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'old/app', 'v1')
  await berth.stop()
  const mark = join(berth.dataDir, 'blobs', '.berth-store')
  const database = new DatabaseSync(join(berth.dataDir, 'berth.db'))
  assert.equal(database.prepare("delete from settings where name = 'store'").run().changes, 1)
  database.close()
  await rm(mark)
  await berth.restart()
  assert.match(await readFile(mark, 'utf8'), /^[0-9a-f-]{36}\n/u)
  for (const { digest } of image.layers) await client.pullBlob('old/app', digest)
})

test('store accept looks for some blobs first, and asks when most of them are not there', async () => {
  await using berth = await startBerth()
  await pushImage(registryClient(berth.url), 'lost/app', 'v1')
  await berth.stop()
  const asJson = ({ stdout }: { readonly stdout: string }) => JSON.parse(stdout) as Readonly<Record<string, unknown>>
  const path = join(berth.dataDir, 'blobs', '.berth-store')
  const whole = asJson(await runBerth('store', 'accept', '--json', berth.configFile))
  const looked = Number(whole['looked'])
  assert.ok(looked > 1)
  assert.deepEqual(whole, { path, mark: 'own', looked, there: looked, accepted: true })
  await lose(berth)
  const refused = await tryBerth('store', 'accept', berth.configFile)
  assert.equal(refused.status, 2)
  assert.match(refused.output, /of \d blobs that were looked for none is there.*add --yes/u)
  const told = await tryBerth('store', 'accept', '--json', berth.configFile)
  assert.equal(told.status, 2)
  assert.deepEqual(asJson(told), { path, mark: 'none', looked, there: 0, accepted: false })
  await assert.rejects(readFile(path), { code: 'ENOENT' })
  assert.equal(asJson(await runBerth('store', 'accept', '--json', '--yes', berth.configFile))['accepted'], true)
})

const foreign = `${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}\n`

/** A mark that cannot be read, and how the sentence about it goes. */
const unreadable = {
  'a directory': { make: (path: string) => mkdir(path), says: /is no file; move what is there away/u },
  'a FIFO': { make: async (path: string) => void spawnSync('mkfifo', [path]), says: /is no file; move what is there away/u },
  'a circle of links': { make: (path: string) => symlink(path, path), says: /its symbolic links lead in a circle/u },
}

for (const [what, { make, says }] of Object.entries(unreadable)) {
  test(`a mark that is ${what} is told of in one sentence, and no push is taken while it is there`, async () => {
    await using berth = await startBerth()
    const client = registryClient(berth.url)
    const image = await pushImage(client, 'lost/app', 'v1')
    const path = join(berth.dataDir, 'blobs', '.berth-store')
    const own = await readFile(path, 'utf8')
    await rm(path)
    await make(path)
    assert.equal(await putAgain(berth, image), 503)
    await berth.stop()
    for (const verb of [['serve'], ['store', 'accept', '--yes']]) {
      const refused = await tryBerth(...verb, berth.configFile)
      assert.equal(refused.status, 1, refused.output)
      assert.match(refused.output, says)
      assert.doesNotMatch(refused.output, /EISDIR|ELOOP/u)
    }
    assert.match((await tryBerth('doctor', berth.configFile)).output, /store .*cannot be read/u)
    await rm(path, { recursive: true })
    await writeFile(path, own)
    await berth.restart()
    for (const { digest } of image.layers) await client.pullBlob('lost/app', digest)
  })
}

test('of a mark that is a gigabyte of something else no more is read than an id has', async () => {
  await using berth = await startBerth()
  await pushImage(registryClient(berth.url), 'lost/app', 'v1')
  await berth.stop()
  const path = join(berth.dataDir, 'blobs', '.berth-store')
  const file = await open(path, 'w')
  await file.truncate(3 * 1024 ** 3)
  await file.close()
  const refused = await tryBerth('serve', berth.configFile)
  assert.equal(refused.status, 1)
  assert.match(refused.output, /the blobs that the database knows are not there/u)
})

async function putAgain({ url }: RunningBerth, image: Awaited<ReturnType<typeof pushImage>>): Promise<number> {
  const headers = { 'content-type': image.descriptor.mediaType }
  return (await registryClient(url).send('/v2/lost/app/manifests/again', { method: 'PUT', body: image.bytes, headers })).status
}

test('a mark that another one is written over, in the same file, is noticed by the next push, of a manifest of known blobs too', async () => {
  await using berth = await startBerth()
  const image = await pushImage(registryClient(berth.url), 'lost/app', 'v1')
  const path = join(berth.dataDir, 'blobs', '.berth-store')
  const own = await readFile(path)
  const put = async (bytes: string | Buffer) => {
    await using file = await open(path, 'r+')
    await file.write(Buffer.from(bytes), 0, undefined, 0)
  }
  assert.equal(await putAgain(berth, image), 201)
  await put(foreign)
  assert.equal(await putAgain(berth, image), 503)
  await put(own)
  assert.equal(await putAgain(berth, image), 201)
})

test('a manifest whose blobs are known is refused while their disk is away', async () => {
  await using berth = await startBerth()
  const image = await pushImage(registryClient(berth.url), 'lost/app', 'v1')
  await lose(berth)
  assert.equal(await putAgain(berth, image), 503)
  await mountAgain(berth)
  assert.equal(await putAgain(berth, image), 201)
})

test('import --dry-run says what the import says of a store that is not of this database, with the same status', ofSqlite, async () => {
  await using berth = await startBerth()
  await pushImage(registryClient(berth.url), 'lost/app', 'v1')
  await berth.stop()
  await mkdir(join(berth.dataDir, 'docker/registry/v2/repositories'), { recursive: true })
  const mark = join(berth.dataDir, 'blobs', '.berth-store')
  const own = await readFile(mark)
  const dry = await tryBerth('import', '--dry-run', berth.configFile)
  assert.equal(dry.status, 0, dry.output)
  const sameAnswers = async (says: RegExp) => {
    const lying = await readdir(berth.dataDir)
    const [asked, done] = [await tryBerth('import', '--dry-run', berth.configFile), await tryBerth('import', berth.configFile)]
    assert.deepEqual([asked.status, asked.output], [done.status, done.output])
    assert.equal(asked.status, 1)
    assert.match(asked.output, says)
    assert.deepEqual(await readdir(berth.dataDir), lying)
  }
  await writeFile(mark, foreign)
  await sameAnswers(/the blobs that the database knows are not there/u)
  await writeFile(mark, own)
  await loseDatabase(berth)
  await sameAnswers(/this store has the mark of another database/u)
})
