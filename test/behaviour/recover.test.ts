import assert from 'node:assert/strict'
import { copyFile, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { assertThere, clientOf, fill, makeTarget, pushStaged, type StagedImage, type TargetPlace } from '../support/backup-stage.ts'
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

const ofSqlite = { skip: testDialect === 'sqlite' ? false : 'takes the file of the database away' }

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
    const unasked = await tryBerth('recover', lost.configFile)
    assert.match(
      `${unasked.status} ${unasked.stderr}`,
      /^2 .*is the mark of another database, which wrote to its journal last at 20.*add --yes/s,
    )
    const { status, stdout, output } = await tryBerth('recover', '--yes', lost.configFile, '--json')
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
    assert.equal((await tryBerth('recover', '--yes', again.configFile)).status, 0)
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
    const { status, stdout, output } = await tryBerth('recover', '--yes', lost.configFile, '--json')
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
    const { status, stdout } = await tryBerth('recover', '--yes', lost.configFile)
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
    const { status, stdout } = await tryBerth('recover', '--yes', lost.configFile, '--json')
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
    const full = await tryBerth('recover', '--yes', place.configFile)
    assert.match(full.stderr, /the database .* is not empty/)
    assert.equal(full.status, 5)
    await using lost = await afterLoss(place)
    await rm(join(lost.dataDir, 'journal'), { recursive: true })
    assert.match((await tryBerth('recover', '--yes', lost.configFile)).stderr, /there is no journal in the store/)
  })
})

interface Report {
  readonly projects: number
  readonly problems: readonly string[]
  readonly manifests: number
  readonly epochs: readonly { readonly epoch: number; readonly use: string; readonly manifests: number; readonly replacedBy?: number }[]
}

async function recoverAs(place: TargetPlace, ...flags: readonly string[]): Promise<Report & { readonly status: number | undefined }> {
  const { status, stdout, output } = await tryBerth('recover', '--yes', place.configFile, '--json', ...flags)
  assert.ok(stdout.startsWith('{'), output)
  return { status, ...(JSON.parse(stdout) as Report) }
}

async function epochsIn({ dataDir }: TargetPlace): Promise<readonly string[]> {
  const files = await readdir(join(dataDir, 'journal'), { recursive: true }).catch(() => [])
  return files.filter((name) => name.endsWith('/complete')).toSorted()
}

/** A registry in which something is, and whose database was lost; then somebody took its store for an empty database and served on it. */
async function servedOnEmpty(more: (client: ReturnType<typeof clientOf>) => Promise<void>) {
  const place = await makeTarget()
  const berth = await place.start()
  const images = await fill(clientOf(berth))
  await berth.stop()
  const lost = await afterLoss(place)
  assert.equal((await tryBerth('store', 'accept', '--yes', lost.configFile)).status, 0)
  const empty = await lost.start()
  await until('another epoch is there', async () => (await epochsIn(lost)).length === 2)
  await more(clientOf(empty))
  await empty.stop()
  return { place, lost: await afterLoss(lost), images }
}

suite('a store that was served with an empty database after its own was lost', { concurrency: 2 }, () => {
  test('has all of its journals read, and the newest that one says holds', async () => {
    const later: StagedImage[] = []
    const { place, lost, images } = await servedOnEmpty(async (client) => {
      later.push(await pushStaged(client, 'library/app', 'v2'), await pushStaged(client, 'library/new', 'v1'))
      await pushStaged(client, 'team/deep/tool', 'only-here')
      await client.send('/v2/team/deep/tool/manifests/only-here', { method: 'DELETE' })
    })
    await using _place = place
    await using _lost = lost
    const { status, problems, epochs } = await recoverAs(lost)
    assert.deepEqual([status, problems], [0, []])
    assert.deepEqual(
      epochs.map(({ use }) => use),
      ['read', 'read'],
    )
    await using recovered = await lost.start()
    const client = clientOf(recovered)
    await assertThere(
      client,
      [images[0], images[2], ...later].filter((image) => image !== undefined),
    )
    assert.equal(await client.digestOf('team/deep/tool', 'only-here'), undefined)
    assert.equal(await client.digestOf('library/gone', 'v1'), undefined)
    // What is deleted now stays so when this database is lost, too: its journal has taken the place of the others.
    await client.send('/v2/library/app/manifests/v1', { method: 'DELETE' })
    await until('a third epoch is there', async () => (await epochsIn(lost)).length === 3)
    await recovered.stop()
    await using again = await afterLoss(lost)
    const twice = await recoverAs(again)
    assert.deepEqual(
      twice.epochs.map(({ use }) => use),
      ['replaced', 'replaced', 'read'],
    )
    await using last = await again.start()
    assert.equal(await clientOf(last).digestOf('library/app', 'v1'), undefined)
    await assertThere(clientOf(last), later)
  })

  test('comes back as one epoch tells it where that is named, and an empty one is no success', async () => {
    const { place, lost, images } = await servedOnEmpty(async () => undefined)
    await using _place = place
    await using _lost = lost
    const none = await tryBerth('recover', '--yes', lost.configFile, '--epoch', '9')
    assert.equal(none.status, 1)
    assert.match(none.output, /the journal has no whole epoch 9: there are 1, 2/u)
    const empty = await recoverAs(lost, '--epoch', '2')
    assert.equal(empty.status, 1)
    assert.match(empty.problems.join('\n'), /nothing was recovered, and other epochs were not read \(1\)/u)
    await using anew = await afterLoss(lost)
    const { status, stdout, output } = await tryBerth('recover', '--yes', anew.configFile, '--epoch', '1')
    assert.equal(status, 0, output)
    assert.match(stdout, /epoch 1 .*4 manifests.*\n *epoch 2.*not read: others were chosen/u)
    await using recovered = await anew.start()
    await assertThere(clientOf(recovered), images)
  })

  test('is told which epochs are left where one of them is not whole', async () => {
    const { place, lost } = await servedOnEmpty(async (client) => void (await pushStaged(client, 'library/new', 'v1')))
    await using _place = place
    await using _lost = lost
    const [first = ''] = await epochsIn(lost)
    await unlink(join(lost.dataDir, 'journal', first.replace('/complete', ''), 'base-000000000000000.gz'))
    const refused = await tryBerth('recover', '--yes', lost.configFile)
    assert.equal(refused.status, 1)
    assert.match(
      refused.output,
      /the journal lacks .*: berth recover --skip-damaged leaves it out.*; berth recover --epoch 2 does without epoch 1/u,
    )
    assert.equal((await tryBerth('recover', '--yes', lost.configFile, '--epoch', '2')).status, 0)
  })

  test('comes back without what stood in damaged files of the journal where that is wished, and they are named', async () => {
    await using place = await makeTarget()
    const berth = await place.start()
    const images = await fill(clientOf(berth))
    await until('the journal has a base', async () => (await epochsIn(place)).length === 1)
    await berth.stop()
    const files = async () => (await readdir(join(place.dataDir, 'journal'), { recursive: true })).filter((name) => name.includes('/add-'))
    const before = await files()
    const later = await place.start()
    await pushStaged(clientOf(later), 'team/late', 'v1')
    await later.stop()
    const damaged = (await files()).filter((name) => !before.includes(name))
    assert.ok(damaged.length > 0)
    await using lost = await afterLoss(place)
    for (const name of damaged) await writeFile(join(lost.dataDir, 'journal', name), 'bytes of a disk that dies')
    const refused = await tryBerth('recover', '--yes', lost.configFile)
    assert.match(`${refused.status} ${refused.stderr}`, /^1 .*add-.* cannot be read: berth recover --skip-damaged leaves it out/su)
    const { problems, projects, epochs } = await recoverAs(lost, '--skip-damaged')
    assert.match(problems.join('\n'), /add-.* cannot be read, and is left out: what it says is not recovered/u)
    assert.equal(epochs.length, 1)
    assert.ok(projects > 0)
    await using recovered = await lost.start()
    await assertThere(clientOf(recovered), images)
    assert.equal(await clientOf(recovered).digestOf('team/late', 'v1'), undefined)
  })
})

test('what was pushed after a copy of the database that took its place is recovered too', ofSqlite, async () => {
  await using place = await makeTarget()
  const first = await place.start()
  const image = await pushStaged(clientOf(first), 'library/app', 'v1')
  await until('the journal has a base', async () => (await epochsIn(place)).length === 1)
  await first.stop()
  await copyFile(join(place.dataDir, 'berth.db'), join(place.dataDir, 'copy.db'))
  const second = await place.start()
  const more = [await pushStaged(clientOf(second), 'library/after', 'v1')]
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  more.push(await pushStaged(clientOf(second), 'library/after', 'v2'))
  await second.stop()
  await loseDatabase(place)
  await rename(join(place.dataDir, 'copy.db'), join(place.dataDir, 'berth.db'))
  const third = await place.start()
  await until('another epoch is there', async () => (await epochsIn(place)).length === 2)
  more.push(await pushStaged(clientOf(third), 'library/app', 'v2'))
  await third.stop()
  await loseDatabase(place)
  const { status, epochs } = await recoverAs(place)
  assert.deepEqual([status, ...epochs.map(({ use }) => use)], [0, 'read', 'read'])
  await using recovered = await place.start()
  await assertThere(clientOf(recovered), [image, ...more])
})

test('a database that comes back behind another one goes on with its line, and its epoch before is over', ofSqlite, async () => {
  await using place = await makeTarget()
  const first = await place.start()
  const images = [await pushStaged(clientOf(first), 'library/app', 'v1')]
  await until('the journal has a base', async () => (await epochsIn(place)).length === 1)
  await first.stop()
  await rename(join(place.dataDir, 'berth.db'), join(place.dataDir, 'own.db'))
  await tryBerth('store', 'accept', '--yes', place.configFile)
  const stray = await place.start()
  await until('another epoch is there', async () => (await epochsIn(place)).length === 2)
  images.push(await pushStaged(clientOf(stray), 'library/stray', 'v1'))
  await stray.stop()
  await loseDatabase(place)
  await rename(join(place.dataDir, 'own.db'), join(place.dataDir, 'berth.db'))
  assert.equal((await tryBerth('store', 'accept', '--yes', place.configFile)).status, 0)
  const back = await place.start()
  await until('the third took the place of the first', async () => (await epochsIn(place)).join() === '00000002/complete,00000003/complete')
  await back.stop()
  await loseDatabase(place)
  const { status, epochs } = await recoverAs(place)
  assert.deepEqual([status, ...epochs.map(({ epoch, use }) => `${epoch} ${use}`)], [0, '2 read', '3 read'])
  await using recovered = await place.start()
  await assertThere(clientOf(recovered), images)
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
    assert.equal((await tryBerth('recover', '--yes', lost.configFile)).status, 0)
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
