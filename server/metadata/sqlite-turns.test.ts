import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { SqliteConnection } from './sqlite-connection.ts'
import { openWriter } from './sqlite-open.ts'
import { WriteTurns } from './sqlite-turns.ts'

const directory = await mkdtemp(join(tmpdir(), 'berth-turns-'))
after(() => rm(directory, { recursive: true, force: true }))

/** Another connection, in a thread of its own, that holds the database for a while. */
async function hold(file: string, ms: number): Promise<Worker> {
  const program = `
    const { DatabaseSync } = require('node:sqlite')
    const { parentPort, workerData } = require('node:worker_threads')
    const database = new DatabaseSync(workerData.file)
    database.exec('begin immediate')
    parentPort.postMessage('held')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, workerData.ms)
    database.exec('commit')
    database.close()`
  const worker = new Worker(program, { eval: true, workerData: { file, ms } })
  await once(worker, 'message')
  return worker
}

const connect = (name: string) => {
  const file = join(directory, name)
  return { file, connection: new SqliteConnection(openWriter({ file, busyTimeoutMs: 1000, mayCreate: true })) }
}

suite('turns of several writers', () => {
  test('a writer has its turn within a step or two of the end of another', async () => {
    const { file, connection } = connect('waits.db')
    using _connection = connection
    const holder = await hold(file, 120)
    const startedAt = performance.now()
    new WriteTurns(connection, 5000).begin()
    const waitedMs = performance.now() - startedAt
    connection.execute('commit')
    await once(holder, 'exit')
    assert.ok(waitedMs > 60 && waitedMs < 1000, `${waitedMs}`)
  })

  test('who had patience for nothing is told that the database is not to be had now', async () => {
    const { file, connection } = connect('refuses.db')
    using _connection = connection
    const holder = await hold(file, 300)
    assert.throws(() => new WriteTurns(connection, 50).begin(), { code: 'UNAVAILABLE' })
    await once(holder, 'exit')
    const turns = new WriteTurns(connection, 50)
    turns.begin()
    connection.execute('commit')
  })

  test('alone nobody waits', () => {
    const { connection } = connect('alone.db')
    using _connection = connection
    const turns = new WriteTurns(connection, 1000)
    const startedAt = performance.now()
    for (let count = 0; count < 20; count += 1) {
      turns.begin()
      connection.execute('rollback')
    }
    assert.ok(performance.now() - startedAt < 500)
  })
})
