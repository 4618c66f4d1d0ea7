import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startBerth } from '../support/start-berth.ts'
import { violationsOf } from '../support/violations.ts'

const ofSqlite = { skip: testDialect === 'sqlite' ? false : 'about SQLite' }

test('a second server on the same data is refused on SQLite in one sentence, and the first one is not disturbed', ofSqlite, async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'alone/app', 'v1')
  const second = await tryBerth('serve', berth.configFile)
  assert.equal(second.status, 5)
  assert.match(second.stderr, /^berth: another Berth serves the database .*berth\.db: stop it first/m)
  assert.doesNotMatch(second.stderr, /\n\s+at /)
  assert.equal(await client.digestOf('alone/app', 'v1'), image.descriptor.digest)
})

test('a server that was killed leaves no lock behind', async () => {
  await using berth = await startBerth()
  await berth.kill9()
  await berth.restart()
  await pushImage(registryClient(berth.url), 'alone/again', 'v1')
})

test('commands work on the data beside the server', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'beside/app', 'v1')
  await runBerth('garbage-collect', berth.configFile)
  await runBerth('scrub', berth.configFile)
  const impatient = await tryBerth('garbage-collect', '--now', berth.configFile)
  assert.equal(impatient.status, testDialect === 'sqlite' ? 5 : 1)
  assert.match(
    impatient.stderr,
    testDialect === 'sqlite' ? /another Berth serves/ : /on PostgreSQL a collection cannot know that no server runs/,
  )
  await client.pullBlob('beside/app', image.config.digest)
  assert.deepEqual(await violationsOf(berth), [])
})

test(
  'garbage collection says what waits, takes nothing that a push may rely on, and on SQLite takes it when asked while no server runs',
  ofSqlite,
  async () => {
    await using berth = await startBerth({ config: { storage: { trash: { window: '0s' } } } })
    const client = registryClient(berth.url)
    const { descriptor } = await pushImage(client, 'waits/app', 'v1')
    assert.equal((await client.send(`/v2/waits/app/manifests/${descriptor.digest}`, { method: 'DELETE' })).status, 202)
    const patient = await runBerth('garbage-collect', berth.configFile)
    assert.match(patient.stdout, /deleted 0 manifests and 0 blobs/)
    assert.match(patient.stdout, /2 blobs and 2 files of .* wait: .*storage\.garbagedelay/)
    await berth.stop()
    assert.match((await runBerth('garbage-collect', '--now', berth.configFile)).stdout, /deleted 0 manifests and 2 blobs/)
    assert.match((await runBerth('garbage-collect', berth.configFile)).stdout, /nothing else waits/)
    await berth.restart()
  },
)

test('garbage collection beside a server says what the trash holds, and takes nothing of it', async () => {
  await using berth = await startBerth({ config: { storage: { garbagedelay: '0s', readersdelay: '0s' } } })
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'trash/app', 'v1')
  assert.equal((await client.send(`/v2/trash/app/manifests/${image.descriptor.digest}`, { method: 'DELETE' })).status, 202)
  const { stdout } = await runBerth('garbage-collect', '-m', berth.configFile)
  assert.match(stdout, /deleted 0 manifests and 0 blobs \(2 blobs left a repository that did not need them\)\n/)
  assert.match(stdout, /nothing else waits.*\nthe trash holds 1 deletion of up to .*storage\.trash\.window/)
  assert.equal((await runBerth('garbage-collect', '-q', berth.configFile)).stdout, '')
  assert.deepEqual(await violationsOf(berth), [])
})
