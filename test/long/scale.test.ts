import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { loadConfig } from '#config/load.ts'
import { collectGarbage, open } from '#main.ts'
import { digestOfBytes, pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { watchProcess } from './watch-process.ts'

/** What an answer from the middle of a large table may take on a busy machine; a scan of the table takes hundreds of milliseconds. */
const pageMs = 50

/** Writes rows behind the registry's back, as years of use would have made them. The server is stopped meanwhile. */
async function seed(berth: RunningBerth, statements: string): Promise<void> {
  await berth.stop()
  const database = new DatabaseSync(join(berth.dataDir, 'berth.db'))
  database.exec(`begin; ${statements}; commit; analyze`)
  database.close()
  await berth.restart()
}

/** The rows that count from 0 to `count` - 1, named n. */
const numbers = (count: number) => `with recursive numbers(n) as (select 0 union all select n + 1 from numbers where n < ${count - 1})`

/** The median of some calls, told to whoever reads the report. */
async function medianMs(t: TestContext, what: string, call: (round: number) => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < 21; round++) {
    const at = performance.now()
    await call(round)
    times.push(performance.now() - at)
  }
  const median = times.sort((a, b) => a - b)[10] ?? Infinity
  t.diagnostic(`${what}: ${median.toFixed(1)} ms`)
  return median
}

async function namesOf(client: RegistryClient, path: string, field: 'tags' | 'repositories'): Promise<string[]> {
  const answer = await client.send(path)
  assert.equal(answer.status, 200, path)
  return (JSON.parse(answer.body.toString()) as Record<typeof field, string[]>)[field]
}

test('100,000 tags of one manifest: pages, the whole list, and the delete of them all', { timeout: 600_000 }, async (t) => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'scale/tags', 'v1')
  await seed(
    berth,
    `${numbers(100_000)} insert into tags (repository_id, name, manifest_id, created_at, updated_at)
     select m.repository_id, printf('t%06d', n), m.id, 1, 1 from numbers join manifests m;
     insert into tag_history (repository_id, name, digest, previous_digest, at, actor)
     select t.repository_id, t.name, m.digest, null, 1, '' from tags t join manifests m on m.id = t.manifest_id where t.name <> 'v1'`,
  )
  await using watched = await watchProcess(berth)
  const page = await medianMs(t, 'a page of 100', async (round) => {
    const tags = await namesOf(client, `/v2/scale/tags/tags/list?n=100&last=t0${round + 10}000`, 'tags')
    assert.equal(tags.length, 100)
  })
  assert.ok(page < pageMs)
  assert.equal((await namesOf(client, '/v2/scale/tags/tags/list', 'tags')).length, 100_001)
  assert.ok((await medianMs(t, 'a tag', () => client.digestOf('scale/tags', 't050000'))) < pageMs)
  const at = performance.now()
  const deleted = await client.send(`/v2/scale/tags/manifests/${image.descriptor.digest}`, { method: 'DELETE', timeoutMs: 120_000 })
  assert.equal(deleted.status, 202)
  t.diagnostic(`delete with all tags: ${((performance.now() - at) / 1000).toFixed(2)} s`)
  assert.equal((await namesOf(client, '/v2/scale/tags/tags/list', 'tags')).length, 0)
  t.diagnostic(await watched.summary())
})

test('10,000 repositories: each page of the catalog', { timeout: 600_000 }, async (t) => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  await pushImage(client, 'scale/catalog', 'v1')
  await seed(
    berth,
    `${numbers(10_000)} insert into repositories (project_id, name, created_at) select project_id, printf('many/r%05d', n), 1 from numbers join repositories where name = 'scale/catalog';
     insert into manifests (repository_id, digest, media_type, size_bytes, created_at, payload)
     select r.id, m.digest, m.media_type, m.size_bytes, 1, m.payload from repositories r join manifests m where r.name like 'many/%'`,
  )
  const page = await medianMs(t, 'a page of 100', async (round) => {
    const names = await namesOf(client, `/v2/_catalog?n=100&last=many/r0${(round % 9) + 1}000`, 'repositories')
    assert.equal(names.length, 100)
  })
  assert.ok(page < pageMs)
  let [last, count] = ['', 0]
  for (;;) {
    const names = await namesOf(client, `/v2/_catalog?n=1000&last=${last}`, 'repositories')
    if (names.length === 0) break
    count += names.length
    last = names.at(-1) ?? ''
  }
  assert.equal(count, 10_001)
})

test('1,000,000 manifests: a tag, a page, a push, a delete and a step of garbage collection', { timeout: 900_000 }, async (t) => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'scale/manifests', 'v1')
  // Digests that no bytes have: nobody asks for these bytes.
  await seed(
    berth,
    `${numbers(1_000_000)} insert into manifests (repository_id, digest, media_type, size_bytes, created_at, payload)
     select m.repository_id, unhex('01' || hex(randomblob(32))), m.media_type, m.size_bytes, 1, m.payload from numbers join manifests m where m.id = 1;
     insert into tags (repository_id, name, manifest_id, created_at, updated_at)
     select repository_id, printf('t%07d', id), id, 1, 1 from manifests where id > 1;
     insert into manifest_blobs (manifest_id, blob_id) select m.id, b.blob_id from manifests m join manifest_blobs b where m.id > 1 and b.manifest_id = 1`,
  )
  await using watched = await watchProcess(berth)
  const times = [
    await medianMs(t, 'a tag', (round) => client.digestOf('scale/manifests', `t0${500_000 + round}`)),
    await medianMs(t, 'a page of 100 tags', (round) =>
      namesOf(client, `/v2/scale/manifests/tags/list?n=100&last=t0${500_000 + round}`, 'tags'),
    ),
    await medianMs(t, 'a blob by HEAD', () => client.send(`/v2/scale/manifests/blobs/${image.layers[0]?.digest}`, { method: 'HEAD' })),
    await medianMs(t, 'a push of a manifest', (round) => pushAgain(client, image.bytes, round)),
    await medianMs(t, 'a delete of a manifest', (round) => deleteAgain(client, image.bytes, round)),
  ]
  for (const time of times) assert.ok(time < pageMs, times.join(' '))
  const { config } = await loadConfig({ file: berth.configFile, environment: {}, cwd: '/' })
  await using rooms = await open({ ...config, log: { ...config.log, level: 'error' } })
  const step = await medianMs(t, 'a step of garbage collection', () => collectGarbage(rooms, { signal: new AbortController().signal }))
  assert.ok(step < pageMs)
  t.diagnostic(await watched.summary())
})

function variant(bytes: Buffer, round: number): Buffer {
  return Buffer.from(JSON.stringify({ ...JSON.parse(bytes.toString()), annotations: { round: String(round) } }))
}

async function pushAgain(client: RegistryClient, bytes: Buffer, round: number): Promise<void> {
  await client.pushManifest('scale/manifests', `again${round}`, variant(bytes, round))
}

async function deleteAgain(client: RegistryClient, bytes: Buffer, round: number): Promise<void> {
  const digest = digestOfBytes(variant(bytes, round))
  assert.equal((await client.send(`/v2/scale/manifests/manifests/${digest}`, { method: 'DELETE' })).status, 202)
}
