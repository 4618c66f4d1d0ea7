import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { pino } from 'pino'
import type { Config } from '#config/config.ts'
import { loadConfig } from '#config/load.ts'
import { sealEvents } from '#events/seal.ts'
import { recordAll } from '#events/test-transactions.ts'
import { verifyEvents } from '#events/verify.ts'
import { systemPorts } from '#lib/ports.ts'
import { copyDatabase } from '#main.ts'
import { openPostgres } from '#metadata/postgres.ts'
import { openTestSqlite } from '#metadata/test-database.ts'
import { makePostgresDatabase, openSession, targetOf, testDialect } from '#metadata/test-postgres.ts'
import { describeFailure } from '../../cli/failure.ts'
import { startDaemon } from '../support/daemon.ts'
import { commandsOf } from '../support/guide-commands.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { digestOfBytes, pushImage, registryClient } from '../support/registry-client.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { closing, openPatch, startUpload } from '../support/upload.ts'

const skip = testDialect === 'postgres' ? false : 'runs by npm run test:postgres'
const checkout = join(import.meta.dirname, '../..')
/** Without the indent of its numbered steps. */
const guide = (await readFile(join(checkout, 'docs/guides/moving-to-postgresql.md'), 'utf8')).replaceAll(/^ {3}/gmu, '')
const launcher = join(checkout, 'bin/berth.mjs')

const alice = { authorization: basicAuthorization('alice', 'correct horse') }

/** A server on SQLite, whatever the tests run on. */
function startOnSqlite(users: Readonly<Record<string, string>> = { alice: 'correct horse' }) {
  return startBerth({ users, config: { database: undefined } })
}

/** An empty database, without the tables of a migrated one. */
const emptyDatabase = () => makePostgresDatabase('template1')

async function configOf(url: string): Promise<Config> {
  return (await loadConfig({ file: undefined, environment: { REGISTRY_DATABASE_URL: url }, cwd: '/' })).config
}

/** Adds as many records as a large audit log has, past the server. */
function addEvents(file: string, count: number): void {
  using database = new DatabaseSync(file)
  database.exec(`insert into events (at, action, repository, digest, tag, actor, request_id, detail, outcome, reason, project, project_id, target, actor_key, credential, address, user_agent, count)
    with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ${count})
    select n, 'access.refused', null, null, null, 'somebody', 'r' || n, '{}', 'failure', 'DENIED', '', null, 'registry', '', '', '10.0.0.1', 'agent', 1 from numbers`)
}

/** Does what the guide says, in the place of its example. */
async function follow(berth: RunningBerth, url: string): Promise<void> {
  const file = join(berth.dataDir, 'berth.db')
  const passwordFile = join(berth.dataDir, 'db-password')
  await writeFile(passwordFile, 'not asked for\n')
  const here = (text: string) =>
    text
      .replaceAll('postgres://berth@db.example.com/berth?sslmode=verify-full', url)
      .replaceAll('/etc/berth/db-password', passwordFile)
      .replaceAll('/etc/berth/config.yml', berth.configFile)
      .replaceAll('/var/lib/registry', berth.dataDir)
  const steps = commandsOf(guide).map((words) => words.map(here).join(' '))
  const [look, stop, copy, check, start, verify, ...rest] = steps.filter((step) => /^(?:berth|systemctl) /u.test(step))
  assert.deepEqual([stop, start, rest], ['systemctl stop berth', 'systemctl start berth', []])
  const run = (step = '') => runBerth(...step.split(' ').slice(1))
  await run(look)
  assert.equal(await berth.stop(), 0)
  const before = digestOfBytes(await readFile(file))
  const { stdout } = await run(copy)
  assert.match(stdout, /^manifests +3 {2}[0-9a-f]{64}$/mu)
  assert.match(stdout, /rows copied, and found to be the same in berth_test_\S+ of PostgreSQL/u)
  assert.equal(digestOfBytes(await readFile(file)), before, 'the source is as it was')
  const yaml = /^```yaml\n([^]*?)^```$/mu.exec(guide)?.[1] ?? ''
  const database = /^database:\n(?: {2}.*\n)+/mu.exec(yaml)?.[0] ?? ''
  const keys = [...here(database).matchAll(/^ {2}(\w+): (.*)$/gmu)].map(([, key, value]) => [key, value])
  const settings = JSON.parse(await readFile(berth.configFile, 'utf8')) as Record<string, unknown>
  await writeFile(berth.configFile, JSON.stringify({ ...settings, database: Object.fromEntries(keys) as unknown }))
  assert.match((await run(check)).stdout, /ok +secrets +all \d+ sealed values open/u)
  await berth.restart()
  await run(verify)
}

test(
  'the steps of the guide move an installation with all that is in it, and what was under way goes on',
  { skip, timeout: 120_000 },
  async () => {
    await using target = await emptyDatabase()
    await using berth = await startOnSqlite()
    const client = registryClient(berth.url, alice)
    const image = await pushImage(client, 'team/app', 'v1')
    await pushImage(client, 'team/app', 'v2')
    await pushImage(client, 'team/gone', 'v1')
    assert.equal((await client.send('/v2/team/gone/manifests/v1', { method: 'DELETE' })).status, 202)
    const bytes = randomBytes(300_000)
    const upload = await startUpload(client, berth.url, 'team/app')
    const patch = openPatch(upload, { authorization: alice.authorization })
    patch.request.end(bytes)
    assert.equal(((await patch.outcome) as { readonly status: number }).status, 202)
    await follow(berth, target.url)
    assert.equal(await client.digestOf('team/app', 'v1'), image.descriptor.digest)
    await client.pullBlob('team/app', image.layers[0]?.digest ?? '')
    assert.equal(await client.digestOf('team/gone', 'v1'), undefined)
    const done = await client.send(closing(upload, digestOfBytes(bytes)).replace(berth.url, ''), { method: 'PUT', body: '' })
    assert.equal(done.status, 201, 'the upload goes on')
    await pushImage(client, 'team/app', 'v3')
    await pushImage(client, 'team/new', 'v1')
    assert.match((await runBerth('trash', 'list', '--data', berth.configFile)).stdout, /team\/gone/u)
    await berth.stop()
    const former = join(berth.dataDir, 'former.yml')
    await writeFile(former, JSON.stringify({ ...(JSON.parse(await readFile(berth.configFile, 'utf8')) as object), database: undefined }))
    const refused = await tryBerth('serve', former)
    assert.match(`${refused.status} ${refused.output}`, /^1 .*is that of another store.*copied to another one, which has them by now\?/su)
    assert.equal((await tryBerth('store', 'accept', '--yes', former)).status, 0, 'the way back')
    await using session = await openSession(target.url)
    const [record] = await session.script(
      `select actor, target, detail::json->>'from' as source from events where action = 'database.copied'`,
    )
    assert.equal(record?.['actor'], 'operator')
    assert.equal(record['source'], join(berth.dataDir, 'berth.db'))
    const again = await tryBerth('database', 'copy', '--from', berth.dataDir, '--to', target.url)
    assert.equal(again.status, 5)
    assert.match(again.stderr, /is not empty: Berth has been used there/u)
  },
)

test(
  'a copy that is killed goes on where it was; no server starts on half of it, and what was changed meanwhile is refused',
  { skip, timeout: 120_000 },
  async () => {
    await using target = await emptyDatabase()
    await using berth = await startOnSqlite()
    await pushImage(registryClient(berth.url, alice), 'team/app', 'v1')
    await berth.stop()
    const file = join(berth.dataDir, 'berth.db')
    addEvents(file, 40_000)
    const command = ['database', 'copy', '--from', file, '--to', target.url, '--json']
    await using session = await openSession(target.url)
    const copied = async () => {
      const rows = await session.script(`select row_count from database_copy where name = 'events'`).catch(() => [])
      return Number(rows[0]?.['row_count'] ?? 0)
    }
    let before = 0
    for (const rows of [2_000, 12_000]) {
      const killed = await startDaemon([process.execPath, launcher, ...command], async () => (await copied()) >= rows, {
        env: { PATH: process.env['PATH'] },
      })
      await killed.kill9()
      assert.ok((await copied()) > before)
      before = await copied()
    }
    assert.ok(before < 40_000, 'it was killed in the middle')

    const config = join(berth.dataDir, 'half.yml')
    const storage = { filesystem: { rootdirectory: berth.dataDir } }
    await writeFile(config, JSON.stringify({ version: 0.1, storage, database: { url: target.url }, http: { addr: '127.0.0.1:0' } }))
    const started = await tryBerth('serve', config)
    assert.equal(started.status, 1)
    assert.match(started.stderr, /a copy into it has not ended: run berth database copy again/u)
    const state = await tryBerth('migrate', 'status', config)
    assert.match(state.stdout, /^9999-database-copy {2}a copy is under way$/mu)
    assert.match(state.stderr, /a copy into it has not ended/u)
    assert.match((await tryBerth('doctor', config)).stdout, /PROBLEM +schema +a copy into it has not ended/u)

    {
      using database = new DatabaseSync(file)
      database.exec('create table kept as select * from users; begin')
      database.exec(`update users set display_name = 'somebody else'; commit`)
    }
    const changed = await tryBerth(...command)
    assert.equal(changed.status, 5)
    assert.match(changed.stderr, /was begun in .*: empty that database, and begin anew/u)
    {
      using database = new DatabaseSync(file)
      database.exec('update users set display_name = (select display_name from kept where kept.id = users.id); drop table kept')
    }

    const report = JSON.parse((await runBerth(...command)).stdout) as Awaited<ReturnType<typeof copyDatabase>>
    assert.ok(report.isResumed)
    assert.ok((report.tables.find(({ table }) => table === 'events')?.rows ?? 0) > 40_000)
    await writeFile(
      berth.configFile,
      (await readFile(berth.configFile, 'utf8')).replace(/"version": 0.1,/u, `"version": 0.1, "database": {"url": "${target.url}"},`),
    )
    await berth.restart()
    await pushImage(registryClient(berth.url, alice), 'team/app', 'v2')
  },
)

test('what must not be copied, and where nothing must be copied to, is refused in one sentence', { skip, timeout: 120_000 }, async () => {
  await using directory = await temporaryDirectory('copy')
  await using target = await emptyDatabase()
  await using berth = await startOnSqlite()
  const file = join(berth.dataDir, 'berth.db')
  const copy = async (from: string, to = target.url) => {
    const plan = { from, to: await configOf(to) }
    const error = await copyDatabase(plan, { signal: new AbortController().signal }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    const text = describeFailure(error)
    assert.doesNotMatch(text, /\n/u)
    return text
  }
  assert.match(await copy(file), /another Berth serves the database .*: stop it first/u)
  await berth.stop()
  assert.match(await copy(join(directory.path, 'absent.db')), /cannot be read \(ENOENT\)/u)
  await writeFile(join(directory.path, 'text.db'), 'no database, but long enough to look for a header of one '.repeat(100))
  assert.match(await copy(join(directory.path, 'text.db')), /cannot be opened as a database of SQLite: file is not a database/u)
  using other = new DatabaseSync(join(directory.path, 'other.db'))
  other.exec('create table things (id integer)')
  assert.match(await copy(join(directory.path, 'other.db')), /is no database of Berth/u)
  assert.match(
    (await tryBerth('database', 'copy', '--from', file, '--to', 'mysql://db/berth')).stderr,
    /--to is no postgres:\/\/user@host\/database/u,
  )
  assert.match(await copy(file, 'postgres://berth@127.0.0.1:1/berth'), /does not answer: 127\.0\.0\.1:1: /u)
  {
    using source = new DatabaseSync(file)
    using _closed = source
    source.exec(`delete from kysely_migration where name like '0007%'`)
    assert.match(
      await copy(file),
      /an older Berth wrote .*\(0007-trash-parents is missing\): back it up, bring it up with berth migrate up/u,
    )
    source.exec(`insert into kysely_migration (name, timestamp) values ('0007-trash-parents', '2026'), ('9000-later', '2030')`)
    assert.match(await copy(file), /a newer Berth wrote .*\(9000-later\): copy it with that version/u)
    source.exec(`delete from kysely_migration where name = '9000-later'; begin immediate`)
    assert.match(await copy(file), /somebody writes to .*: let it end first/u)
  }
  await using session = await openSession(target.url)
  await session.script('create table things (id bigint); insert into things values (1)')
  assert.match(await copy(file), /is not empty: it has 1 tables or views that are none of Berth's/u)
  assert.equal((await session.script('select id from things')).length, 1)
  await session.script('drop table things')
  await using used = await makePostgresDatabase()
  await using inUse = await openSession(used.url)
  await inUse.script(`insert into settings (name, value) values ('mine', '1')`)
  assert.match(await copy(file, used.url), /is not empty: Berth has been used there \(1 settings\)/u)
  await inUse.script('delete from settings')
  assert.equal((await tryBerth('database', 'copy', '--from', file, '--to', used.url)).status, 0, 'a migrated one that nobody used is empty')
})

test('rows that are not those of the source are found before anything is served', { skip, timeout: 60_000 }, async () => {
  await using target = await emptyDatabase()
  await using berth = await startOnSqlite()
  await pushImage(registryClient(berth.url, alice), 'team/app', 'v1')
  await berth.stop()
  const plan = { from: join(berth.dataDir, 'berth.db'), to: await configOf(target.url) }
  const stopped = new AbortController()
  const onProgress = ({ phase }: { readonly phase: string }) => phase === 'verify' && stopped.abort(new Error('enough'))
  await assert.rejects(copyDatabase(plan, { signal: stopped.signal, onProgress }), /enough/u)
  await using session = await openSession(target.url)
  await session.script(`update tags set name = 'v9'`)
  await assert.rejects(
    copyDatabase(plan, { signal: new AbortController().signal }),
    /the 1 rows of tags in .* are not the 1 of .*berth\.db/u,
  )
  await session.script(`update tags set name = 'v1'; delete from project_blobs`)
  await assert.rejects(copyDatabase(plan, { signal: new AbortController().signal }), /the 0 rows of project_blobs in/u)
})

test('a copy whose server goes away for a moment goes on by itself', { skip, timeout: 60_000 }, async () => {
  await using target = await emptyDatabase()
  await using proxy = await startTcpProxy(Number(new URL(target.url).port))
  await using berth = await startOnSqlite()
  await berth.stop()
  const from = join(berth.dataDir, 'berth.db')
  addEvents(from, 5_000)
  const through = new URL(target.url)
  through.port = String(proxy.port)
  const outages: Promise<void>[] = []
  const onProgress = ({ table, rows }: { readonly table: string; readonly rows: number }) => {
    if (table !== 'events' || rows !== 3_000) return
    outages.push(
      proxy
        .close()
        .then(() => sleep(500))
        .then(() => proxy.reopen()),
    )
  }
  const report = await copyDatabase({ from, to: await configOf(through.href) }, { signal: new AbortController().signal, onProgress })
  assert.equal(outages.length, 2, 'once while rows were copied, once while they were compared')
  assert.ok((report.tables.find(({ table }) => table === 'events')?.rows ?? 0) >= 5_000)
})

test('two copies at once into one database: one of them ends, and the rows are whole', { skip, timeout: 60_000 }, async () => {
  await using target = await emptyDatabase()
  await using berth = await startOnSqlite()
  await berth.stop()
  const file = join(berth.dataDir, 'berth.db')
  addEvents(file, 5_000)
  const command = ['database', 'copy', '--from', file, '--to', target.url]
  const results = await Promise.all([tryBerth(...command), tryBerth(...command)])
  assert.equal(results.filter(({ status }) => status === 0).length, 1, results.map(({ output }) => output).join('\n'))
})

test(
  'texts with U+0000 get U+FFFD in its place, and the audit log is sealed over what it says now',
  { skip, timeout: 60_000 },
  async () => {
    await using directory = await temporaryDirectory('copy')
    await using target = await emptyDatabase()
    const file = join(directory.path, 'berth.db')
    {
      await using metadata = await openTestSqlite(file)
      for (const [index, actor] of ['ann', 'bob\0by', 'carl'].entries()) {
        const event = {
          action: 'login.failed',
          target: `user:${actor}`,
          actor,
          requestId: 'r',
          at: 1000 * (index + 1),
          detail: {},
        } as const
        await metadata.write(recordAll, [event])
        await sealEvents(metadata, { through: index + 1, now: 5000 })
      }
    }
    const report = await copyDatabase({ from: file, to: await configOf(target.url) }, { signal: new AbortController().signal })
    assert.equal(report.textsChanged, 2)
    assert.equal(report.seals, 2)
    await using metadata = await openPostgres({ target: targetOf(target.url), ports: systemPorts, log: pino({ enabled: false }) })
    const { rows } = await sql<{ readonly actor: string }>`select actor from events order by id`.execute(metadata.reader)
    assert.deepEqual(
      rows.map(({ actor }) => actor),
      ['ann', 'bob\uFFFDby', 'carl', 'operator'],
    )
    const { seals, events, unsealed } = await verifyEvents(metadata)
    assert.deepEqual([seals, events, unsealed], [3, 3, 1])
  },
)
