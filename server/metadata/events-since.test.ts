import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listEvents } from './events.ts'
import { alterTestDatabase, makeTestDirectory, openTestDatabase } from './test-database.ts'

test('what happened from an instant on is listed although something of before was written behind it', async () => {
  await using directory = await makeTestDirectory()
  await (await openTestDatabase(directory.file))[Symbol.asyncDispose]()
  const first = 1_700_000_000_000
  const insert = (at: number, action: string) =>
    `insert into events (at, action, actor, request_id, detail) values (${at}, '${action}', 'alice', 'r', '{}')`
  // Sign-ins are counted together and written seconds later, with the instant of the first of them.
  await alterTestDatabase(directory.file, [insert(first + 60_000, 'project.created'), insert(first, 'login.succeeded')])
  await using metadata = await openTestDatabase(directory.file)
  const from = async (since: number) => {
    const { items } = await listEvents(metadata.reader, { since }, { limit: 10, isDescending: false, column: 'id' })
    return items.map(({ action }) => action)
  }
  assert.deepEqual(await from(first + 30_000), ['project.created'])
  assert.deepEqual(await from(first), ['project.created', 'login.succeeded'])
  assert.deepEqual(await from(first + 60 * 60_000), [])
})
