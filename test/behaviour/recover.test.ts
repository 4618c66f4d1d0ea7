import assert from 'node:assert/strict'
import { readdir, readFile, rename, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { assertThere, clientOf, fill, makeTarget, pushStaged, type TargetPlace } from '../support/backup-stage.ts'
import { freePort } from '../support/free-port.ts'
import { sendRequest } from '../support/http-client.ts'
import { tryBerth } from '../support/run-berth.ts'
import { until } from '../support/until.ts'
import { violationsOf } from '../support/violations.ts'

/** The lag is to be seen at a listener of its own. */
async function figureOf(url: string, name: string): Promise<number> {
  const { body } = await sendRequest(`${url}/metrics`)
  const line = body
    .toString()
    .split('\n')
    .find((each) => each.startsWith(`${name} `))
  assert.ok(line !== undefined, `${name} is among the metrics`)
  return Number(line.split(' ')[1])
}

async function loseDatabase({ dataDir }: TargetPlace): Promise<void> {
  for (const name of ['berth.db', 'berth.db-wal', 'berth.db-shm']) await rm(join(dataDir, name), { force: true })
}

/** With a configuration whose database is another, empty one where the first is a server's. */
async function afterLoss(place: TargetPlace): Promise<TargetPlace> {
  if (testDialect === 'sqlite') {
    await loseDatabase(place)
    return place
  }
  const { cp } = await import('node:fs/promises')
  const other = await makeTarget()
  await cp(place.dataDir, other.dataDir, { recursive: true })
  return other
}

suite('a store whose database is lost', { concurrency: 2 }, () => {
  test('gets repositories, manifests and tags back from its journal; pulls go on, and it is told what cannot be known', async () => {
    await using place = await makeTarget()
    const berth = await place.start()
    const client = clientOf(berth)
    const images = await fill(client)
    await until('the journal has a base', async () => (await readdir(join(place.dataDir, 'journal')).catch(() => [])).length > 0)
    const more = await pushStaged(client, 'team/later', 'v1')
    const moved = await pushStaged(client, 'library/app', 'v1')
    await client.send(`/v2/library/app/manifests/v2`, { method: 'DELETE' })
    await berth.stop()
    await using lost = await afterLoss(place)
    const { status, stdout, output } = await tryBerth('recover', lost.configFile, '--json')
    assert.equal(status, 0, output)
    const report = JSON.parse(stdout) as { missing: string[]; problems: string[]; unknown: string[]; tags: number }
    assert.deepEqual([report.missing, report.problems], [[], []])
    assert.ok(report.unknown.some((sentence) => sentence.includes('accounts')))
    await using recovered = await lost.start()
    await assertThere(
      clientOf(recovered),
      [images[2], more, moved].filter((image) => image !== undefined),
    )
    assert.equal(await clientOf(recovered).digestOf('library/app', 'v2'), undefined)
    assert.equal(await clientOf(recovered).digestOf('library/gone', 'v1'), undefined)
    assert.deepEqual(await violationsOf(recovered), [])
    await pushStaged(clientOf(recovered), 'library/app', 'after')
    await recovered.stop()
    // The recovered registry writes a journal of its own, from which the same can be done again.
    await using again = await afterLoss(lost)
    assert.equal((await tryBerth('recover', again.configFile)).status, 0)
    await using twice = await again.start()
    await assertThere(clientOf(twice), [more, moved])
    assert.ok((await clientOf(twice).digestOf('library/app', 'after')) !== undefined)
  })

  test('knows that a manifest that was deleted by its digest took its tags with it: nothing is lost', async () => {
    await using place = await makeTarget()
    const berth = await place.start()
    const client = clientOf(berth)
    const images = [await pushStaged(client, 'library/app', 'v1'), await pushStaged(client, 'library/app', 'moved')]
    await until('the journal has a base', async () => (await readdir(join(place.dataDir, 'journal')).catch(() => [])).length > 0)
    const [gone, again] = [await pushStaged(client, 'library/app', 'v2'), await pushStaged(client, 'library/app', 'moved')]
    // What is written down in one turn is written as it is at its end.
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    for (const { digest } of [gone, again])
      assert.equal((await client.send(`/v2/library/app/manifests/${digest}`, { method: 'DELETE' })).status, 202)
    await berth.stop()
    await using lost = await afterLoss(place)
    const { status, stdout, output } = await tryBerth('recover', lost.configFile, '--json')
    const report = JSON.parse(stdout) as { readonly problems: readonly string[] }
    assert.deepEqual([status, report.problems], [0, []], output)
    await using recovered = await lost.start()
    const { body } = await clientOf(recovered).send('/v2/library/app/tags/list')
    assert.deepEqual((JSON.parse(body.toString()) as { readonly tags: readonly string[] }).tags, ['v1'])
    assert.equal((await clientOf(recovered).pullManifest('library/app', images[1]?.digest ?? '')).descriptor.digest, images[1]?.digest)
    // The bytes of what was deleted lay in the trash, of which the journal says nothing.
    const violations = await violationsOf(recovered)
    assert.deepEqual(
      violations.filter((sentence) => !sentence.startsWith('I5: nobody knows the key')),
      [],
    )
  })

  test('says which blobs are not there any more; a push heals them', async () => {
    await using place = await makeTarget()
    const berth = await place.start()
    const image = await pushStaged(clientOf(berth), 'library/app', 'v1')
    await berth.stop()
    await using lost = await afterLoss(place)
    const directory = join(lost.dataDir, 'blobs/sha256', image.layer.digest.slice(7, 9), image.layer.digest.slice(7))
    for (const name of await readdir(directory)) await unlink(join(directory, name))
    const { status, stdout } = await tryBerth('recover', lost.configFile)
    assert.equal(status, 1)
    assert.ok(stdout.includes(image.layer.digest), stdout)
    await using recovered = await lost.start()
    const client = clientOf(recovered)
    assert.equal((await client.send(`/v2/library/app/blobs/${image.layer.digest}`, { method: 'HEAD' })).status, 404)
    await client.pushBlob('library/app', image.layer.bytes)
    await assertThere(client, [image])
  })

  test('has its blobs found where they are by now, in another generation of their key too', async () => {
    await using place = await makeTarget()
    const berth = await place.start()
    const image = await pushStaged(clientOf(berth), 'library/app', 'v1')
    await berth.stop()
    await using lost = await afterLoss(place)
    const directory = join(lost.dataDir, 'blobs/sha256', image.layer.digest.slice(7, 9), image.layer.digest.slice(7))
    const [generation = ''] = await readdir(directory)
    await rename(join(directory, generation), join(directory, '0123456789abcdef'))
    const { status, stdout } = await tryBerth('recover', lost.configFile, '--json')
    const report = JSON.parse(stdout) as { readonly moved: number; readonly missing: readonly string[] }
    assert.deepEqual([status, report.moved, report.missing], [0, 1, []])
    await using recovered = await lost.start()
    await assertThere(clientOf(recovered), [image])
    assert.deepEqual(await violationsOf(recovered), [])
  })

  test('is not recovered into a database in which something is, nor without a journal', async () => {
    await using place = await makeTarget()
    const berth = await place.start()
    await pushStaged(clientOf(berth), 'library/app', 'v1')
    await berth.stop()
    assert.match((await tryBerth('recover', place.configFile)).stderr, /the database .* is not empty/)
    await using lost = await afterLoss(place)
    await rm(join(lost.dataDir, 'journal'), { recursive: true })
    assert.match((await tryBerth('recover', lost.configFile)).stderr, /there is no journal in the store/)
  })
})

suite('the journal', () => {
  test('is at most ten seconds behind what was acknowledged, measured while images are pushed', async () => {
    const debug = `127.0.0.1:${await freePort()}`
    await using place = await makeTarget({ http: { debug: { addr: debug, prometheus: { enabled: true } } } })
    await using berth = await place.start()
    const url = `http://${debug}`
    const client = clientOf(berth)
    await pushStaged(client, 'busy/app', 'first', 1_000)
    await until('the journal has a base', async () => (await readdir(join(place.dataDir, 'journal')).catch(() => [])).length > 0)
    const lags: number[] = []
    const endsAt = performance.now() + 12_000
    for (let count = 0; performance.now() < endsAt; count++) {
      await pushStaged(client, 'busy/app', `v${count % 5}`, 1_000)
      lags.push(await figureOf(url, 'registry_journal_lag_seconds'))
    }
    assert.ok(Math.max(...lags) < 10, `the lag was ${Math.max(...lags)} s`)
    await until('the journal has all', async () => (await figureOf(url, 'registry_journal_lag_seconds')) === 0)
    // What was acknowledged ten seconds ago is there after a kill, too.
    const last = await pushStaged(client, 'busy/app', 'last', 1_000)
    await new Promise((resolve) => setTimeout(resolve, 10_000))
    await berth.kill9()
    await using lost = await afterLoss(place)
    assert.equal((await tryBerth('recover', lost.configFile)).status, 0)
    await using recovered = await lost.start()
    await assertThere(clientOf(recovered), [last])
  })

  test('has no file of a store that is not there, and goes where it is switched off', async () => {
    await using place = await makeTarget({ backup: { journal: false } })
    await using berth = await place.start()
    await pushStaged(clientOf(berth), 'library/app', 'v1')
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    assert.equal(await readdir(join(place.dataDir, 'journal')).catch(() => 'none'), 'none')
    assert.ok((await readFile(place.configFile, 'utf8')).includes('"journal":false'))
  })
})
