import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { pino } from 'pino'
import { RegistryError } from '#oci/errors.ts'
import { systemPorts } from '#lib/ports.ts'
import { openPostgres, type PostgresMetadata, type PostgresOptions } from '#metadata/postgres.ts'
import { PostgresPool } from '#metadata/postgres-pool.ts'
import { Presence } from '#metadata/postgres-presence.ts'
import { Timelines } from '#metadata/postgres-timelines.ts'
import { passwordSource } from '#metadata/postgres-connector.ts'
import { makePostgresDatabase, openSession, targetOf, testDialect } from '#metadata/test-postgres.ts'
import { addSetting, countUp, keepTime, runSql } from '#metadata/test-transactions.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'

const skip = testDialect === 'postgres' ? false : 'runs by npm run test:postgres'
const log = pino({ enabled: false })

interface Place extends AsyncDisposable {
  readonly proxy: TcpProxy
  readonly metadata: PostgresMetadata
  /** Around the proxy. */
  readonly url: string
}

/** A database behind a proxy. */
async function openPlace(options: Partial<PostgresOptions> = {}): Promise<Place> {
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await makePostgresDatabase())
  const proxy = stack.use(await startTcpProxy(Number(new URL(database.url).port)))
  const through = new URL(database.url)
  through.port = String(proxy.port)
  through.searchParams.set('connect_timeout', '1')
  const metadata = stack.use(await openPostgres({ target: targetOf(through.href), ports: systemPorts, log, holdMs: 5000, ...options }))
  const all = stack.move()
  return { proxy, metadata, url: database.url, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

async function settingNames({ reader }: PostgresMetadata): Promise<string[]> {
  const rows = await reader.selectFrom('settings').select('name').orderBy('name').execute()
  return rows.map(({ name }) => name)
}

const isUnavailable = (error: unknown) =>
  error instanceof RegistryError && error.code === 'UNAVAILABLE' && (error.retryAfterSeconds ?? 0) > 0

test('writes and reads that come while the server is away wait, and are done when it is back', { skip }, async () => {
  await using place = await openPlace()
  const { metadata, proxy } = place
  await metadata.write(addSetting, { name: 'before' })
  await proxy.close()
  const writes = Promise.all([metadata.write(addSetting, { name: 'one' }), metadata.write(addSetting, { name: 'two' })])
  const read = settingNames(metadata)
  await until('the database is away', () => metadata.away.isAway)
  await sleep(300)
  await proxy.reopen()
  await writes
  assert.ok((await read).includes('before'))
  assert.deepEqual(await settingNames(metadata), ['before', 'one', 'two'])
  assert.ok(!metadata.away.isAway)
})

test('a time that is reckoned before a write waits for the server counts from when it is back', { skip }, async () => {
  await using place = await openPlace()
  const { metadata, proxy } = place
  await metadata.write(addSetting, { name: 'before' })
  await proxy.close()
  const before = systemPorts.clock.now()
  const write = metadata.write(keepTime, before)
  await until('the database is away', () => metadata.away.isAway)
  await sleep(300)
  const after = systemPorts.clock.now()
  await proxy.reopen()
  const kept = await write
  assert.ok(kept >= after && kept <= systemPorts.clock.now(), `${kept - before} ms`)
})

test('who waited for the hold time is refused with UNAVAILABLE and Retry-After', { skip }, async () => {
  await using place = await openPlace({ holdMs: 300 })
  const { metadata, proxy } = place
  await proxy.close()
  const before = performance.now()
  const results = await Promise.allSettled([metadata.write(addSetting, { name: 'one' }), settingNames(metadata), metadata.ping()])
  const tookMs = performance.now() - before
  for (const result of results) assert.ok(result.status === 'rejected' && isUnavailable(result.reason))
  assert.ok(tookMs >= 290 && tookMs < 2000, `${tookMs} ms`)
  await proxy.reopen()
  await until('a write', () => metadata.write(addSetting, { name: 'two' }).then(Boolean, () => false))
  assert.deepEqual(await settingNames(metadata), ['two'])
})

test('only so many wait: more are refused at once', { skip }, async () => {
  await using place = await openPlace({ holdRequests: 3 })
  const { metadata, proxy } = place
  await proxy.close()
  const first = metadata.write(addSetting, { name: '0' })
  await until('the database is away', () => metadata.away.isAway)
  const others = [1, 2].map((index) => metadata.write(addSetting, { name: String(index) }))
  const before = performance.now()
  await assert.rejects(metadata.write(addSetting, { name: '3' }), isUnavailable)
  assert.ok(performance.now() - before < 200)
  await proxy.reopen()
  await Promise.all([first, ...others])
  assert.deepEqual(await settingNames(metadata), ['0', '1', '2'])
})

test('a transaction whose session the server ends in the middle is done again, once', { skip }, async () => {
  await using place = await openPlace()
  const { metadata, url } = place
  await metadata.write(addSetting, { name: 'n', value: '0' })
  await using other = await openSession(url)
  const writing = Promise.all(Array.from({ length: 40 }, () => metadata.write(countUp, { name: 'n', pauseSeconds: 0.01 })))
  for (let round = 0; round < 4; round++) {
    await sleep(50)
    await other.script(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    )
  }
  await writing
  const [row] = await metadata.reader.selectFrom('settings').select('value').where('name', '=', 'n').execute()
  assert.equal(row?.value, '40')
  assert.ok(metadata.notes.repeats > 0)
})

test('transactions that lose against each other begin again until each is done', { skip }, async () => {
  await using place = await openPlace()
  const { metadata } = place
  await metadata.write(addSetting, { name: 'n', value: '0' })
  await Promise.all(Array.from({ length: 100 }, () => metadata.write(countUp, { name: 'n' })))
  const [row] = await metadata.reader.selectFrom('settings').select('value').where('name', '=', 'n').execute()
  assert.equal(row?.value, '100')
  assert.ok(metadata.notes.conflicts > 0)
})

test('a commit whose answer is lost is found to be done, and is not done again', { skip }, async () => {
  await using place = await openPlace()
  const { metadata, proxy } = place
  await metadata.write(addSetting, { name: 'n', value: '0' })
  let isCommitting = false
  proxy.onRequest = (bytes) => {
    isCommitting ||= bytes.includes('commit\0')
    return true
  }
  proxy.onAnswer = (bytes) => {
    if (!isCommitting || !bytes.includes('COMMIT\0')) return true
    proxy.onRequest = proxy.onAnswer = () => true
    return false
  }
  await metadata.write(countUp, { name: 'n' })
  const [row] = await metadata.reader.selectFrom('settings').select('value').where('name', '=', 'n').execute()
  assert.equal(row?.value, '1')
  assert.equal(metadata.notes.repeats, 0)
})

test('a commit that never reached the server is found to be undone, and is done again', { skip }, async () => {
  await using place = await openPlace()
  const { metadata, proxy } = place
  await metadata.write(addSetting, { name: 'n', value: '0' })
  proxy.onRequest = (bytes) => {
    if (!bytes.includes('commit\0')) return true
    proxy.onRequest = () => true
    return false
  }
  await metadata.write(countUp, { name: 'n' })
  const [row] = await metadata.reader.selectFrom('settings').select('value').where('name', '=', 'n').execute()
  assert.equal(row?.value, '1')
  assert.equal(metadata.notes.repeats, 1)
})

test('a server that only reads after a failover is left, and writes wait for one that writes', { skip }, async () => {
  await using place = await openPlace()
  const { metadata, url } = place
  await metadata.write(addSetting, { name: 'before' })
  await using other = await openSession(url)
  const name = new URL(url).pathname.slice(1)
  await other.script(`alter database ${name} set default_transaction_read_only = on`)
  await other.script(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
  )
  const write = metadata.write(addSetting, { name: 'after' })
  await until('the database is away', () => metadata.away.isAway)
  await other.script(`set default_transaction_read_only = off; alter database ${name} reset default_transaction_read_only`)
  await write
  assert.deepEqual(await settingNames(metadata), ['after', 'before'])
})

test('a session that turns out to only read is left by writes, though nothing ended it', { skip }, async () => {
  await using place = await openPlace()
  const { metadata } = place
  await metadata.write(addSetting, { name: 'before' })
  await metadata.write(runSql, 'set session characteristics as transaction read only')
  await metadata.write(addSetting, { name: 'after' })
  assert.deepEqual(await settingNames(metadata), ['after', 'before'])
})

test('a network that swallows everything is noticed, and what waits goes on when it is back', { skip, timeout: 60_000 }, async () => {
  await using place = await openPlace({ holdMs: 30_000, answerMs: 400 })
  const { metadata, proxy } = place
  await metadata.write(addSetting, { name: 'before' })
  const silence = proxy.silence()
  const write = metadata.write(addSetting, { name: 'after' })
  const read = settingNames(metadata)
  await until('the database is away', () => metadata.away.isAway)
  silence[Symbol.dispose]()
  await write
  assert.ok((await read).includes('before'))
  assert.deepEqual(await settingNames(metadata), ['after', 'before'])
})

test(
  'a session that ended before its pool heard of it holds no place, and closing does not wait for it',
  { skip, timeout: 60_000 },
  async () => {
    await using database = await makePostgresDatabase()
    const { clock } = systemPorts
    const presence = new Presence({ log, clock, maximumWaiting: 10 })
    let dead = 3
    const connect = async () => {
      const session = await openSession(database.url)
      if (dead-- > 0) session.destroy()
      return session
    }
    const timelines = new Timelines(clock, log)
    const pool = new PostgresPool({
      kind: 'reads',
      connector: { connect },
      maximum: 1,
      holdMs: 10_000,
      presence,
      timelines,
      ports: systemPorts,
      log,
    })
    const session = await pool.acquire({ since: clock.monotonic() })
    assert.deepEqual(await session.script('select 1 as one'), [{ one: 1 }])
    assert.deepEqual(pool.figures, { open: 1, idle: 0, waiting: 0 })
    pool.release(session)
    await pool[Symbol.asyncDispose]()
    assert.equal(pool.figures.open, 0)
  },
)

test(
  'closing takes leave of a server that is gone without a word, and does not wait for its answer',
  { skip, timeout: 60_000 },
  async () => {
    await using place = await openPlace()
    await place.metadata.write(addSetting, { name: 'before' })
    await settingNames(place.metadata)
    using _silence = place.proxy.silence()
    const before = performance.now()
    await place.metadata[Symbol.asyncDispose]()
    assert.ok(performance.now() - before < 10_000)
  },
)

test('a statement that takes its time is left alone by the watch over silent sessions', { skip }, async () => {
  await using place = await openPlace({ answerMs: 100 })
  await sql`select pg_sleep(1)`.execute(place.metadata.reader)
  assert.equal(place.metadata.notes.repeats, 0)
})

test('of several hosts the first that answers and writes is taken', { skip }, async () => {
  await using database = await makePostgresDatabase()
  await using gone = await startTcpProxy(1)
  await gone.close()
  const { port, pathname } = new URL(database.url)
  const url = `postgres://postgres@127.0.0.1:${gone.port},127.0.0.1:${port}${pathname}?sslmode=disable`
  await using metadata = await openPostgres({ target: targetOf(url), ports: systemPorts, log })
  await metadata.write(addSetting, { name: 'a' })
})

test('a start that finds no server says in one sentence where it looked', { skip }, async () => {
  await using gone = await startTcpProxy(1)
  await gone.close()
  const target = targetOf(`postgres://postgres@127.0.0.1:${gone.port}/berth`)
  await assert.rejects(openPostgres({ target, ports: systemPorts, log }), (error: Error) => {
    assert.match(error.message, /^PostgreSQL does not answer: 127\.0\.0\.1:\d+: [^\n]*$/)
    return true
  })
})

test('a server without TLS is taken with sslmode prefer and refused with require', { skip }, async () => {
  await using database = await makePostgresDatabase()
  const withMode = (mode: string) => targetOf(database.url.replace('sslmode=disable', `sslmode=${mode}`))
  await using metadata = await openPostgres({ target: withMode('prefer'), ports: systemPorts, log })
  await metadata.ping()
  await assert.rejects(openPostgres({ target: withMode('require'), ports: systemPorts, log }), /does not support SSL/)
})

test('the password is read from its file for each connection, without the end of its line', { skip }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-password-'))
  try {
    const file = join(directory, 'password')
    const password = passwordSource(targetOf('postgres://berth:of-url@localhost/berth'), file)
    await assert.rejects(password(), { code: 'ENOENT' })
    for (const text of ['one', 'two words ']) {
      await writeFile(file, `${text}\n`)
      assert.equal(await password(), text)
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})
