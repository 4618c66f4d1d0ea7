import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOfBytes, pushImage, registryClient } from '../support/registry-client.ts'
import { tryBerth } from '../support/run-berth.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import { violationsOf } from '../support/violations.ts'

async function fileOf(berth: RunningBerth, digest: string): Promise<string> {
  const [algorithm = '', hex = ''] = digest.split(':')
  const directory = join(berth.dataDir, 'blobs', algorithm, hex.slice(0, 2), hex)
  const [generation = ''] = await readdir(directory)
  return join(directory, generation)
}

async function flipBit(path: string, at: number): Promise<void> {
  await using file = await open(path, 'r+')
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at)
  await file.write(Buffer.of((buffer[0] ?? 0) ^ 1), 0, 1, at)
}

test('a flipped bit is found by scrub while the server runs; the blob is missing from then on, and the next push heals it', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'rot/app', 'v1')
  const bytes = randomBytes(3 << 20)
  const { digest } = await client.pushBlob('rot/app', bytes)
  await flipBit(await fileOf(berth, digest), 2_000_000)
  const scrubbed = await tryBerth('scrub', berth.configFile)
  assert.equal(scrubbed.status, 1, scrubbed.output)
  assert.ok(scrubbed.stdout.includes(`${digest}: wrong digest`), scrubbed.output)
  for (const method of ['HEAD', 'GET']) assert.equal((await client.send(`/v2/rot/app/blobs/${digest}`, { method })).status, 404)
  for (const layer of image.layers) await client.pullBlob('rot/app', layer.digest)
  await until('the damage is counted', async () =>
    /^registry_storage_quarantined_blobs_total 1$/mu.test((await client.send('/metrics')).body.toString()),
  )
  const again = await tryBerth('scrub', berth.configFile)
  assert.equal(again.status, 1, 'what is known and still wrong is wrong')
  assert.ok(again.stdout.includes(`${digest}: wrong digest`) && again.stdout.includes('(known before)'), again.output)
  assert.match(again.stdout, /Wrong now: 1 blob missing or damaged/u)
  await client.pushBlob('rot/app', bytes)
  assert.equal(digestOfBytes(await client.pullBlob('rot/app', digest)), digest)
  assert.equal((await tryBerth('scrub', berth.configFile)).status, 0)
  assert.deepEqual(await violationsOf(berth), [])
})

test('a blob whose file was cut or emptied is missing at the first look, is never sent as whole, and the next push heals it', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  for (const [keptBytes, method] of [
    [0, 'GET'],
    [0, 'HEAD'],
    [100_000, 'GET'],
    [100_000, 'HEAD'],
  ] as const) {
    const bytes = randomBytes(3 << 20)
    const { digest } = await client.pushBlob('rot/cut', bytes)
    await truncate(await fileOf(berth, digest), keptBytes)
    assert.equal((await client.send(`/v2/rot/cut/blobs/${digest}`, { method })).status, 404, `${method} with ${keptBytes} bytes`)
    await client.pushBlob('rot/cut', bytes)
    assert.deepEqual(await client.pullBlob('rot/cut', digest), bytes)
  }
  assert.deepEqual(await violationsOf(berth), [])
})

test('bytes that cannot be deleted are told of by name, with an exit status, until they can', async () => {
  await using berth = await startBerth({ config: { storage: { delete: { enabled: true } } } })
  const client = registryClient(berth.url)
  const { digest } = await client.pushBlob('stuck/app', randomBytes(1_000))
  const file = await fileOf(berth, digest)
  await berth.stop()
  // What no unlink can take, not even root's.
  await rename(file, `${file}.away`)
  await mkdir(join(file, 'in-the-way'), { recursive: true })
  const stuck = await tryBerth('garbage-collect', '--now', berth.configFile)
  assert.equal(stuck.status, 1, stuck.output)
  assert.match(stuck.output, /1 file could not be deleted, .*: E(?:ISDIR|PERM|NOTEMPTY|ACCES): /u)
  assert.match(stuck.output, new RegExp(digest.slice('sha256:'.length), 'u'))
  const again = await tryBerth('garbage-collect', berth.configFile)
  assert.match(again.output, /nothing else waits to be deleted/u, 'what could not be deleted waits for nothing')
  await rm(file, { recursive: true })
  await rename(`${file}.away`, file)
  const freed = await tryBerth('garbage-collect', '--now', berth.configFile)
  assert.deepEqual([freed.status, /freed 1000 B in 1 file/u.test(freed.stdout)], [0, true], freed.output)
  assert.deepEqual(await violationsOf(berth), [])
})
