import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { alterTestDatabase } from '#metadata/test-database.ts'
import { postgresUrlFor, testDialect } from '#metadata/test-postgres.ts'
import { tryBerth } from '../support/run-berth.ts'

/** An installation without a database, or with an empty one of PostgreSQL. */
async function openPlace() {
  const directory = await mkdtemp(join(tmpdir(), 'berth-migrate-'))
  const file = join(directory, 'berth.db')
  const config = join(directory, 'config.yml')
  const database = testDialect === 'postgres' ? { url: await postgresUrlFor(file, 'template1') } : { file }
  await writeFile(config, JSON.stringify({ version: 0.1, storage: { filesystem: { rootdirectory: directory } }, database }))
  return {
    file,
    run: (verb: string) => tryBerth('migrate', verb, config),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  }
}

test('migrate up makes the schema, status tells what is applied, and both again change nothing', async () => {
  await using place = await openPlace()
  const before = await place.run('status')
  assert.match(before.stdout, testDialect === 'postgres' ? /0001-registry {2}missing/ : /is not there: the first start makes it/)
  assert.match((await place.run('up')).stdout, /migrations applied to/)
  const { stdout, status } = await place.run('status')
  assert.equal(status, 0)
  assert.match(stdout, /^0001-registry {2}applied\n/)
  assert.doesNotMatch(stdout, /missing/)
  assert.equal((await place.run('up')).stdout, 'nothing is missing\n')
})

test('status ends with 1 and says so where a newer version changed what this one needs', async () => {
  await using place = await openPlace()
  await place.run('up')
  await alterTestDatabase(place.file, [
    `insert into kysely_migration (name, timestamp) values ('9999-later', '2030')`,
    'update schema_level set needs = 9999',
  ])
  const { stdout, stderr, status } = await place.run('status')
  assert.equal(status, 1)
  assert.match(stdout, /9999-later {2}applied by a newer version/)
  assert.match(stderr, /start that version, or a newer one/)
  assert.match((await place.run('up')).stderr, /9999-later, which this version of Berth does not know/)
})
