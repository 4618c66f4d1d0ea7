import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { violationsOf } from '../support/violations.ts'

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
  const refused = await tryBerth('serve', berth.configFile)
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
