import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SettledEvents } from '#metadata/settled-events.ts'
import { makeTestDirectory, openTestDatabase } from '#metadata/test-database.ts'
import { makePostgresDatabase, openSession, postgresUrlFor, testDialect } from '#metadata/test-postgres.ts'
import { recordAll } from './test-transactions.ts'

const event = { action: 'system.updated', target: 'system', detail: {}, at: 1, actor: 'olga', requestId: 'r' } as const

suite('up to which event all are decided', () => {
  test('all that was written, where nothing is being written', async () => {
    await using metadata = await openTestDatabase(':memory:')
    const settled = new SettledEvents(metadata.reader)
    await metadata.write(recordAll, [event, event])
    assert.ok((await settled.through()) >= 2)
    assert.equal(settled.isWaiting, false)
  })

  if (testDialect === 'sqlite') return

  test('on PostgreSQL none behind an id that an open transaction has drawn, and all of them when it has ended', async () => {
    await using directory = await makeTestDirectory()
    await using metadata = await openTestDatabase(directory.file)
    await using slow = await openSession(await postgresUrlFor(directory.file))
    const settled = new SettledEvents(metadata.reader)
    await metadata.write(recordAll, [event])
    assert.equal(await settled.through(), 1)
    await slow.script(`begin; select pg_current_xact_id(); select nextval('events_id_seq')`)
    await metadata.write(recordAll, [event])
    assert.deepEqual([await settled.through(), settled.isWaiting], [1, true])
    assert.equal(await settled.through(), 1)
    await slow.script('rollback')
    assert.deepEqual([await settled.through(), settled.isWaiting], [3, false])
  })

  test('on PostgreSQL what another program leaves open in another database of the cluster holds up nothing', async () => {
    await using metadata = await openTestDatabase(':memory:')
    await using other = await makePostgresDatabase()
    await using slow = await openSession(other.url)
    await slow.script('begin; select pg_current_xact_id()')
    await metadata.write(recordAll, [event])
    assert.equal(await new SettledEvents(metadata.reader).through(), 1)
    await slow.script('rollback')
  })
})
