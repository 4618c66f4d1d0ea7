import assert from 'node:assert/strict'
import { test } from 'node:test'
import { migrate } from './migrate.ts'
import { SqliteConnection } from './sqlite-connection.ts'
import { translateSqliteError } from './sqlite-errors.ts'
import { kyselyOn } from './sqlite-dialect.ts'
import { encodeValue, runGroup, type WriteAnswer, type WriteRequest } from './sqlite-group.ts'
import { openMemoryDatabase } from './sqlite-open.ts'
import type { TransactionDefinition } from './metadata.ts'
import { addSetting, loseGroup, refuse } from './test-transactions.ts'

class TracedConnection extends SqliteConnection {
  readonly executed: string[] = []
  failCommit = false

  override execute(sql: string): void {
    this.executed.push(sql)
    if (sql === 'commit' && this.failCommit) throw translateSqliteError(Object.assign(new Error('disk I/O error'), { errcode: 10 }))
    super.execute(sql)
  }
}

async function open() {
  const connection = new TracedConnection(openMemoryDatabase())
  const db = kyselyOn(connection)
  await migrate(db)
  connection.executed.length = 0
  const names = async () => (await db.selectFrom('settings').select('name').execute()).map((row) => row.name)
  return { connection, db, names, [Symbol.dispose]: () => connection[Symbol.dispose]() }
}

function request<Input>(definition: TransactionDefinition<Input, unknown>, input: Input): WriteRequest {
  return { moduleUrl: definition.moduleUrl, name: definition.name, input: encodeValue(input), queuedAt: 0 }
}

const way = { now: () => 0 }

function codeOf(answer: WriteAnswer | undefined): string {
  if (answer === undefined || !('error' in answer)) return 'done'
  return answer.error.kind === 'refusal' ? answer.error.code : answer.error.message
}

test('a group is one commit, and the transaction that fails in it is undone alone', async () => {
  using opened = await open()
  const { connection, db, names } = opened
  const answers = await runGroup(
    connection,
    db,
    [request(addSetting, { name: 'a' }), request(refuse, { name: 'b' }), request(addSetting, { name: 'c' })],
    way,
  )
  assert.deepEqual(answers.map(codeOf), ['done', 'MANIFEST_INVALID', 'done'])
  assert.equal(connection.executed.filter((sql) => sql === 'begin immediate').length, 1)
  assert.equal(connection.executed.filter((sql) => sql === 'commit').length, 1)
  assert.deepEqual(await names(), ['a', 'c'])
})

test('a commit that fails refuses the whole group, and the next group works', async () => {
  using opened = await open()
  const { connection, db, names } = opened
  connection.failCommit = true
  const refused = await runGroup(connection, db, [request(addSetting, { name: 'a' }), request(addSetting, { name: 'b' })], way)
  assert.deepEqual(refused.map(codeOf), ['UNAVAILABLE', 'UNAVAILABLE'])
  assert.deepEqual(await names(), [])
  connection.failCommit = false
  assert.deepEqual((await runGroup(connection, db, [request(addSetting, { name: 'a' })], way)).map(codeOf), ['done'])
})

test('when the database rolls a group back by itself, nobody is told that it is written, and nothing is', async () => {
  using opened = await open()
  const { connection, db, names } = opened
  const answers = await runGroup(
    connection,
    db,
    [
      request(addSetting, { name: 'a' }),
      request(refuse, { name: 'b' }),
      request(loseGroup, { name: 'outside' }),
      request(addSetting, { name: 'c' }),
    ],
    way,
  )
  assert.deepEqual(answers.map(codeOf), ['UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE'])
  assert.deepEqual(await names(), [])
  assert.deepEqual((await runGroup(connection, db, [request(addSetting, { name: 'd' })], way)).map(codeOf), ['done'])
  assert.deepEqual(await names(), ['d'])
})

test('a transaction defined in a module that does not load is refused before the lock is taken', async () => {
  using opened = await open()
  const { connection, db } = opened
  const [answer] = await runGroup(
    connection,
    db,
    [{ moduleUrl: 'file:///not/there.ts', name: 'not-there', input: encodeValue(1), queuedAt: 0 }],
    way,
  )
  assert.match(codeOf(answer), /Cannot find module/)
})
