import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { SqliteConnection } from './sqlite-connection.ts'
import { kyselyOn } from './sqlite-dialect.ts'
import { translateSqliteError } from './sqlite-errors.ts'
import { openMemoryDatabase } from './sqlite-open.ts'

function open() {
  return new SqliteConnection(openMemoryDatabase())
}

test('more different statements than are kept all give their own answer', async () => {
  using connection = open()
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < 1200; index++)
      assert.deepEqual(await connection.query(`select ${index} as n, ? as p`, [index]), [{ n: index, p: index }])
  }
})

test('large integers keep every digit, and those that a number cannot hold throw', async () => {
  using connection = open()
  assert.deepEqual(await connection.query('select 9007199254740991 as n', []), [{ n: Number.MAX_SAFE_INTEGER }])
  await assert.rejects(connection.query('select 9223372036854775807 as n', []), /too large/)
})

test('true and false are 1 and 0; what SQL cannot hold throws', async () => {
  using connection = open()
  assert.deepEqual(await connection.query('select ? as yes, ? as no', [true, false]), [{ yes: 1, no: 0 }])
  await assert.rejects(connection.query('select ?', [{ an: 'object' }]))
})

test('an empty blob, an empty text and null stay apart', async () => {
  using connection = open()
  assert.deepEqual(await connection.query('select ? as bytes, ? as text, ? as absent', [Buffer.alloc(0), '', null]), [
    { bytes: Buffer.alloc(0), text: '', absent: null },
  ])
})

test('changes and the new id of an insert are told', async () => {
  using connection = open()
  const db = kyselyOn(connection)
  await sql`create table settings (id integer primary key, name text, value text)`.execute(db)
  const [result] = await db.insertInto('settings').values({ name: 'a', value: '1' }).execute()
  assert.equal(result?.insertId, 1n)
  const updated = await db.updateTable('settings').set({ value: '2' }).executeTakeFirst()
  assert.equal(updated.numUpdatedRows, 1n)
})

test('a stream is refused', async () => {
  using connection = open()
  const db = kyselyOn(connection)
  await sql`create table settings (id integer primary key, name text, value text)`.execute(db)
  const read = async () => {
    for await (const _row of db.selectFrom('settings').selectAll().stream()) assert.fail('a row came')
  }
  await assert.rejects(read, /page by key/)
})

const translated: readonly (readonly [errcode: number, expected: string | undefined])[] = [
  [5, 'UNAVAILABLE'],
  [5 | (2 << 8), 'UNAVAILABLE'],
  [6, 'UNAVAILABLE'],
  [7, 'UNAVAILABLE'],
  [10, 'UNAVAILABLE'],
  [10 | (4 << 8), 'UNAVAILABLE'],
  [10 | (19 << 8), 'STORAGE_FULL'],
  [13, 'STORAGE_FULL'],
  [14, 'UNAVAILABLE'],
  [11, undefined],
  [19 | (8 << 8), undefined],
]

for (const [errcode, expected] of translated) {
  test(`SQLite's result code ${errcode} is ${expected ?? 'a fault of ours'}`, () => {
    const foreign = Object.assign(new Error('secret /path'), { errcode })
    const error = translateSqliteError(foreign)
    if (expected === undefined) assert.equal(error, foreign)
    else
      assert.deepEqual([(error as Error & { code: string }).code, error.cause, error.message.includes('/path')], [expected, foreign, false])
  })
}
