import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type QueryResult,
  DummyDriver,
} from 'kysely'
import { prepare } from './prepared.ts'
import type { Database } from './schema.ts'
import { openTestDatabase } from './test-database.ts'
import { addSetting } from './test-transactions.ts'

async function openWithSettings(...names: string[]) {
  const metadata = await openTestDatabase(':memory:')
  for (const name of names) await metadata.write(addSetting, { name, value: `{"of":"${name}"}` })
  return metadata
}

test('parameters and constants keep their places, in any number', async () => {
  await using metadata = await openWithSettings('a', 'b', 'c')
  const find = prepare<{ name: string; other: string; limit: number }, { name: string; value: string }>((db, param) =>
    db
      .selectFrom('settings')
      .select(['name', 'value'])
      .where('value', '!=', 'constant')
      .where((eb) => eb.or([eb('name', '=', param('name')), eb('name', '=', param('other')), eb('value', '=', param('name'))]))
      .where('id', '<', 1000)
      .orderBy('id')
      .limit(param('limit')),
  )
  const names = async (name: string, other: string, limit: number) =>
    (await find(metadata.reader, { name, other, limit })).map((row) => row.name)
  assert.deepEqual(await names('a', 'c', 10), ['a', 'c'])
  assert.deepEqual(await names('c', 'a', 1), ['a'])
  assert.deepEqual(await names('b', 'b', 10), ['b'])
  assert.deepEqual(await names("' or 1=1 --", '', 10), [])
})

test('rows are plain objects, blobs are Buffers, null is null', async () => {
  await using metadata = await openWithSettings()
  const find = prepare<{ digest: Buffer }, { digest: Buffer; nothing: string | null }>((db, param) =>
    db.selectNoFrom((eb) => [eb.val(param('digest')).as('digest'), eb.val<string | null>(null).as('nothing')]),
  )
  const digest = Buffer.from([1, 2, 255])
  const rows = await find(metadata.reader, { digest })
  assert.deepStrictEqual(rows, [{ digest, nothing: null }])
  assert.ok(Buffer.isBuffer(rows[0]?.digest))
})

test('a prepared read is built once for a database, however often it runs', async () => {
  await using metadata = await openWithSettings('a')
  let built = 0
  const find = prepare<{ name: string }, { id: number }>((db, param) => {
    built++
    return db.selectFrom('settings').select('id').where('name', '=', param('name'))
  })
  for (let index = 0; index < 5; index++) assert.equal((await find(metadata.reader, { name: 'a' })).length, 1)
  assert.equal(built, 1)
  await using other = await openWithSettings()
  assert.deepEqual(await find(other.reader, { name: 'a' }), [], 'another database has its own rows')
})

test('a prepared read of a closed database is refused with UNAVAILABLE', async () => {
  const metadata = await openWithSettings('a')
  const find = prepare<{ name: string }, { id: number }>((db, param) =>
    db.selectFrom('settings').select('id').where('name', '=', param('name')),
  )
  await find(metadata.reader, { name: 'a' })
  await metadata[Symbol.asyncDispose]()
  await assert.rejects(find(metadata.reader, { name: 'a' }), { code: 'UNAVAILABLE' })
})

test('on PostgreSQL the same SQL text goes out each time, with the values of the call', async () => {
  const executed: CompiledQuery[] = []
  const connection: DatabaseConnection = {
    executeQuery: <R>(query: CompiledQuery): Promise<QueryResult<R>> => {
      executed.push(query)
      return Promise.resolve({ rows: [] })
    },
    streamQuery: () => {
      throw new Error('not used')
    },
  }
  class OneConnection extends DummyDriver {
    override acquireConnection(): Promise<DatabaseConnection> {
      return Promise.resolve(connection)
    }
  }
  const reader = new Kysely<Database>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new OneConnection(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
  const find = prepare<{ name: string }, { id: number }>((db, param) =>
    db.selectFrom('settings').select('id').where('value', '=', 'constant').where('name', '=', param('name')),
  )
  await find(reader, { name: 'a' })
  await find(reader, { name: 'b' })
  assert.deepEqual(
    executed.map(({ parameters }) => parameters),
    [
      ['constant', 'a'],
      ['constant', 'b'],
    ],
  )
  assert.equal(executed[0]?.sql, executed[1]?.sql)
  assert.match(executed[0]?.sql ?? '', /\$1.*\$2/)
})
