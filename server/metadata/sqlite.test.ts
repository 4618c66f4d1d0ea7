import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { dirname } from 'node:path'
import { suite, test } from 'node:test'
import { RegistryError } from '#oci/errors.ts'
import type { Metadata } from './metadata.ts'
import { makeTestDirectory, openTestSqlite, type TestDirectory } from './test-database.ts'
import { openTestPostgres, testDialect } from './test-postgres.ts'
import { systemPorts } from '#lib/ports.ts'
import { pino } from 'pino'
import {
  addDanglingTag,
  addSetting,
  answerFunction,
  crash,
  echoBytes,
  fail,
  ignoreErrors,
  limitPages,
  refuse,
} from './test-transactions.ts'

async function settingNames(metadata: Metadata): Promise<string[]> {
  const rows = await metadata.reader.selectFrom('settings').select('name').orderBy('id').execute()
  return rows.map((row) => row.name)
}

function refusal(code: RegistryError['code']) {
  return (error: unknown) => error instanceof RegistryError && error.code === code
}

interface Opened extends AsyncDisposable {
  readonly metadata: Metadata
}

/** PostgreSQL too, where the tests run on it. */
const places = {
  file: 'a database in a file',
  memory: 'a database in memory',
  ...(testDialect === 'postgres' && { postgres: 'a database of PostgreSQL' }),
}
type Place = 'file' | 'memory' | 'postgres'

async function openIn(place: Place): Promise<Opened> {
  if (place === 'postgres') {
    const metadata = await openTestPostgres(':memory:', { ports: systemPorts, log: pino({ enabled: false }) })
    return { metadata, [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose]() }
  }
  const directory: TestDirectory | undefined = place === 'file' ? await makeTestDirectory() : undefined
  const metadata = await openTestSqlite(directory?.file ?? ':memory:')
  return {
    metadata,
    async [Symbol.asyncDispose]() {
      await metadata[Symbol.asyncDispose]()
      await directory?.[Symbol.asyncDispose]()
    },
  }
}

for (const [place, title] of Object.entries(places) as [Place, string][]) {
  const isSqlite = place !== 'postgres'
  void suite(title, () => {
    test('a write that resolved is seen by the next read', async () => {
      await using opened = await openIn(place)
      for (let index = 0; index < 20; index++) {
        await opened.metadata.write(addSetting, { name: `setting ${index}` })
        assert.equal((await settingNames(opened.metadata)).length, index + 1)
      }
    })

    test(`a thousand writes at once are all there${isSqlite ? ', in the order they were asked for' : ''}`, async () => {
      await using opened = await openIn(place)
      const names = Array.from({ length: 1000 }, (_, index) => `setting ${index}`)
      const ids = await Promise.all(names.map((name) => opened.metadata.write(addSetting, { name })))
      const stored = await settingNames(opened.metadata)
      assert.deepEqual(stored.toSorted(), names.toSorted())
      if (!isSqlite) return
      assert.deepEqual(
        ids,
        ids.toSorted((a, b) => a - b),
      )
      assert.deepEqual(stored, names)
    })

    test('a refusal arrives with code, detail, message and Retry-After, and nothing is written', async () => {
      await using opened = await openIn(place)
      await assert.rejects(opened.metadata.write(refuse, { name: 'a' }), (error) => {
        assert.ok(error instanceof RegistryError)
        assert.equal(error.code, 'MANIFEST_INVALID')
        assert.deepEqual(error.detail, { reason: 'test' })
        assert.equal(error.message, 'refused by the test')
        assert.equal(error.retryAfterSeconds, 7)
        return true
      })
      assert.deepEqual(await settingNames(opened.metadata), [])
    })

    test('a fault arrives as an Error with the stack of where it was thrown', async () => {
      await using opened = await openIn(place)
      await assert.rejects(opened.metadata.write(fail, { name: 'a' }), (error) => {
        assert.ok(error instanceof Error && !(error instanceof RegistryError))
        assert.equal(error.name, 'TypeError')
        assert.match(error.stack ?? '', /test-transactions\.ts/)
        return true
      })
      assert.deepEqual(await settingNames(opened.metadata), [])
    })

    test('transactions that fail leave the others of their group', async () => {
      await using opened = await openIn(place)
      const { metadata } = opened
      const results = await Promise.allSettled([
        metadata.write(addSetting, { name: 'a' }),
        metadata.write(refuse, { name: 'b' }),
        metadata.write(addSetting, { name: 'c' }),
        metadata.write(addSetting, { name: 'a' }),
        metadata.write(fail, { name: 'd' }),
        metadata.write(answerFunction, { name: 'e' }),
        metadata.write(addSetting, { name: 'f' }),
      ])
      const isDone = results.map(({ status }) => status === 'fulfilled')
      // On PostgreSQL they run side by side: of the two that want one name either may win.
      if (!isSqlite && isDone[3] === true) [isDone[0], isDone[3]] = [isDone[3], isDone[0] ?? false]
      assert.deepEqual(isDone, [true, false, true, false, false, false, true])
      assert.deepEqual((await settingNames(metadata)).toSorted(), ['a', 'c', 'f'])
    })

    test('input that cannot travel is refused before it takes a place', async () => {
      await using opened = await openIn(place)
      const input = { name: 'a', value: (() => '') as unknown as string }
      await assert.rejects(opened.metadata.write(addSetting, input), /could not be cloned/)
      await opened.metadata.write(addSetting, { name: 'b' })
    })

    test('a Buffer stays a Buffer on the way in and out', async () => {
      await using opened = await openIn(place)
      const bytes = Buffer.alloc(5 * 1024 * 1024, 'x')
      const output = await opened.metadata.write(echoBytes, { bytes })
      assert.ok(output.isBuffer && Buffer.isBuffer(output.bytes))
      assert.ok(output.bytes.equals(bytes))
      assert.equal(bytes.length, 5 * 1024 * 1024)
    })

    test('a transaction that its module does not define fails alone', async () => {
      await using opened = await openIn(place)
      const unknown = { ...addSetting, name: 'test/not-there' }
      const [bad, good] = await Promise.allSettled([
        opened.metadata.write(unknown, { name: 'a' }),
        opened.metadata.write(addSetting, { name: 'b' }),
      ])
      assert.match(String((bad as PromiseRejectedResult).reason), /does not define/)
      assert.equal(good?.status, 'fulfilled')
    })

    test('foreign keys hold', async () => {
      await using opened = await openIn(place)
      await assert.rejects(opened.metadata.write(addDanglingTag, undefined), /foreign key/i)
    })

    test('closing answers what was accepted, then refuses reads, writes and pings', async () => {
      await using opened = await openIn(place)
      const { metadata } = opened
      const writes = Array.from({ length: 700 }, (_, index) => metadata.write(addSetting, { name: `setting ${index}` }))
      const closing = metadata[Symbol.asyncDispose]()
      await assert.rejects(metadata.write(addSetting, { name: 'late' }), refusal('UNAVAILABLE'))
      assert.equal((await Promise.all(writes)).length, 700)
      await closing
      await assert.rejects(metadata.write(addSetting, { name: 'later' }), refusal('UNAVAILABLE'))
      await assert.rejects(metadata.reader.selectFrom('settings').selectAll().execute())
      await assert.rejects(metadata.ping(), refusal('UNAVAILABLE'))
    })

    test('a read sees no transaction that is not committed', async () => {
      await using opened = await openIn(place)
      const { metadata } = opened
      const write = Promise.allSettled(Array.from({ length: 300 }, (_, index) => metadata.write(refuse, { name: `setting ${index}` })))
      let done = false
      void write.then(() => (done = true))
      while (!done) {
        assert.deepEqual(await settingNames(metadata), [])
        await new Promise((resolve) => setImmediate(resolve))
      }
    })

    // PostgreSQL's disk is not ours to fill.
    if (!isSqlite) return
    test('a full disk refuses with STORAGE_FULL, keeps what was there, and heals by itself', async () => {
      await using opened = await openIn(place)
      const { metadata } = opened
      await metadata.write(addSetting, { name: 'before' })
      await metadata.write(limitPages, { more: 4 })
      const big = { name: 'big', value: 'x'.repeat(1024 * 1024) }
      await assert.rejects(metadata.write(addSetting, big), refusal('STORAGE_FULL'))
      assert.deepEqual(await settingNames(metadata), ['before'])
      await metadata.ping()
      // A transaction that goes on after the failure never writes outside of its transaction.
      await metadata.write(ignoreErrors, [big, { name: 'small' }]).catch(() => undefined)
      const names = await settingNames(metadata)
      assert.ok(!names.includes('big'))
      await metadata.write(limitPages, { more: 10_000 })
      await metadata.write(addSetting, big)
      assert.deepEqual(await settingNames(metadata), [...names, 'big'])
    })
  })
}

void suite('a database file', () => {
  test('another process that holds the lock makes writes wait, then refuses them with Retry-After', async () => {
    await using directory = await makeTestDirectory()
    await using metadata = await openTestSqlite(directory.file, { busyTimeoutMs: 60 })
    using other = new DatabaseSync(directory.file)
    other.exec('begin immediate')
    await assert.rejects(metadata.write(addSetting, { name: 'a' }), (error) => {
      assert.ok(error instanceof RegistryError)
      assert.equal(error.code, 'UNAVAILABLE')
      assert.ok((error.retryAfterSeconds ?? 0) > 0)
      return true
    })
    assert.deepEqual(await settingNames(metadata), [], 'reads go on')
    other.exec('commit')
    await metadata.write(addSetting, { name: 'b' })
  })

  test('a writer thread that dies takes what it had under way, and the next write finds another', async () => {
    await using directory = await makeTestDirectory()
    await using metadata = await openTestSqlite(directory.file)
    await metadata.write(addSetting, { name: 'before' })
    const [died, along] = await Promise.allSettled([metadata.write(crash, { name: 'a' }), metadata.write(addSetting, { name: 'b' })])
    assert.ok(refusal('UNAVAILABLE')((died as PromiseRejectedResult).reason))
    assert.ok(refusal('UNAVAILABLE')((along as PromiseRejectedResult).reason))
    await assert.rejects(metadata.ping(), refusal('UNAVAILABLE'))
    await metadata.write(addSetting, { name: 'after' })
    await metadata.ping()
    assert.deepEqual(await settingNames(metadata), ['before', 'after'])
  })

  test('closing leaves one file without a log', async () => {
    await using directory = await makeTestDirectory()
    const metadata = await openTestSqlite(directory.file)
    await metadata.write(addSetting, { name: 'a' })
    await metadata[Symbol.asyncDispose]()
    assert.deepEqual(await readdir(dirname(directory.file)), ['berth.db'])
  })

  test('closing without a read or a write leaves one file too', async () => {
    await using directory = await makeTestDirectory()
    const metadata = await openTestSqlite(directory.file)
    await metadata[Symbol.asyncDispose]()
    await metadata[Symbol.asyncDispose]()
    assert.deepEqual(await readdir(dirname(directory.file)), ['berth.db'])
  })

  test('the reader cannot write', async () => {
    await using directory = await makeTestDirectory()
    await using metadata = await openTestSqlite(directory.file)
    await assert.rejects(metadata.reader.insertInto('settings').values({ name: 'a', value: '{}' }).execute(), /readonly/)
  })

  test('a file that is no database fails to open and stays as it was', async () => {
    await using directory = await makeTestDirectory()
    const { readFile, writeFile } = await import('node:fs/promises')
    await writeFile(directory.file, 'this is not a database, and longer than its header would be: '.repeat(20))
    const before = await readFile(directory.file)
    await assert.rejects(openTestSqlite(directory.file), /not a database/)
    assert.deepEqual(await readFile(directory.file), before)
  })
})
