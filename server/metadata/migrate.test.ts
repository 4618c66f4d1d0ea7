import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, type LogEvent } from 'kysely'
import { SchemaTooNewError } from './migrate.ts'
import { allMigrations } from './migrations/all.ts'
import { readSchemaState } from './schema-state.ts'
import { makeTestDirectory, openTestDatabase } from './test-database.ts'

const failing = {
  async up(db: Kysely<unknown>) {
    await db.schema.createTable('half_done').addColumn('id', 'integer').execute()
    throw new Error('failed in the middle')
  },
}

test('a database starts with one project, the default one', async () => {
  await using metadata = await openTestDatabase(':memory:')
  const projects = await metadata.reader.selectFrom('projects').select(['name', 'is_default']).execute()
  assert.deepEqual(projects, [{ name: 'library', is_default: 1 }])
})

test('opening twice changes nothing', async () => {
  await using directory = await makeTestDirectory()
  for (let round = 0; round < 2; round++) {
    await using metadata = await openTestDatabase(directory.file)
    assert.equal((await metadata.reader.selectFrom('projects').selectAll().execute()).length, 1)
  }
})

test('a migration that throws leaves nothing of itself, nor of those before it, and the next start goes on', async () => {
  await using directory = await makeTestDirectory()
  await assert.rejects(
    openTestDatabase(directory.file, { migrations: { ...allMigrations, '9999-failing': failing } }),
    /failed in the middle/,
  )
  await using metadata = await openTestDatabase(directory.file)
  const tables = await metadata.reader.introspection.getTables()
  assert.ok(!tables.some(({ name }) => name === 'half_done'))
  assert.equal((await metadata.reader.selectFrom('projects').selectAll().execute()).length, 1)
})

test('a database of a newer program is refused in one sentence that names what is unknown, and stays as it was', async () => {
  await using directory = await makeTestDirectory()
  const newer = { up: (db: Kysely<unknown>) => db.schema.createTable('from_the_future').addColumn('id', 'integer').execute() }
  const metadata = await openTestDatabase(directory.file, { migrations: { ...allMigrations, '9999-newer': newer } })
  await metadata[Symbol.asyncDispose]()
  await assert.rejects(openTestDatabase(directory.file), (error) => {
    assert.ok(error instanceof SchemaTooNewError)
    assert.match(error.message, /^the database has migration 9999-newer, which this version of Berth does not know: [^\n]*$/)
    return true
  })
  const again = await openTestDatabase(directory.file, { migrations: { ...allMigrations, '9999-newer': newer } })
  await again[Symbol.asyncDispose]()
})

test('a database that a newer program only added to is served, and is not touched', async () => {
  await using directory = await makeTestDirectory()
  const added = {
    kind: 'expand',
    up: (db: Kysely<unknown>) => db.schema.createTable('from_the_future').addColumn('id', 'integer').execute(),
  } as const
  const metadata = await openTestDatabase(directory.file, { migrations: { ...allMigrations, '9999-added': added } })
  await metadata[Symbol.asyncDispose]()
  await using older = await openTestDatabase(directory.file)
  const state = await readSchemaState(older.reader as unknown as Kysely<unknown>, allMigrations)
  assert.deepEqual([state.unknown, state.missing, state.mayServe], [['9999-added'], [], true])
})

test('a database that has had an unknown migration but lacks one of this program is refused', async () => {
  await using directory = await makeTestDirectory()
  const added = {
    kind: 'expand',
    up: (db: Kysely<unknown>) => db.schema.createTable('other').addColumn('id', 'integer').execute(),
  } as const
  const metadata = await openTestDatabase(directory.file, { migrations: { ...allMigrations, '9998-other': added } })
  await metadata[Symbol.asyncDispose]()
  await assert.rejects(openTestDatabase(directory.file, { migrations: { ...allMigrations, '9999-own': added } }), SchemaTooNewError)
})

/** The statements of all migrations as PostgreSQL would get them. */
async function postgresStatements(): Promise<string[]> {
  const statements: string[] = []
  const db = new Kysely<unknown>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (database) => new PostgresIntrospector(database),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
    log: (event: LogEvent) => void statements.push(event.query.sql),
  })
  for (const migration of Object.values(allMigrations)) await migration.up(db)
  return statements
}

test('the migrations speak PostgreSQL to PostgreSQL', async () => {
  const statements = await postgresStatements()
  const tables = statements.filter((statement) => statement.startsWith('create table'))
  assert.ok(tables.length >= 15)
  for (const table of tables) assert.match(table, /"id" bigint generated by default as identity primary key/)
  assert.match(tables.find((table) => table.includes('"repositories"')) ?? '', /"name" text collate "C" not null/)
  assert.match(tables.find((table) => table.includes('"blobs"')) ?? '', /"digest" bytea not null/)
  assert.doesNotMatch(statements.join('\n'), /autoincrement|strict\b|blob\b(?!s)/)
})
