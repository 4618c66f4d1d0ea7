import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Kysely } from 'kysely'
import { openTestDatabase, openTestSqlite, makeTestDirectory } from './test-database.ts'
import type { Metadata } from './metadata.ts'
import { insertRows, readRows, readSequences, resetSequences, tablesInOrder, type TableName, type TableRow } from './table-rows.ts'

const notListed = new Set(['kysely_migration', 'kysely_migration_lock', 'schema_level'])

async function allRows(metadata: Metadata, table: TableName, limit: number): Promise<TableRow[]> {
  const rows: TableRow[] = []
  for (let after: number | undefined; ;) {
    const page = await readRows(metadata.reader, table, { after, limit })
    rows.push(...page.rows)
    if (page.next === undefined) return rows
    after = page.next
  }
}

function manifest(id: number, sizeBytes: number): TableRow {
  return {
    id,
    repository_id: 1,
    digest: Buffer.from([1, id]),
    media_type: 'application/json',
    artifact_type: null,
    subject_digest: null,
    annotations: null,
    size_bytes: sizeBytes,
    payload: Buffer.alloc(sizeBytes, id),
    created_at: id,
  }
}

void describe('rows of tables', () => {
  test('every table of a migrated database is listed', async () => {
    await using directory = await makeTestDirectory()
    await using metadata = await openTestDatabase(directory.file)
    const tables = await (metadata.reader as unknown as Kysely<unknown>).introspection.getTables()
    const names = tables.map(({ name }) => name).filter((name) => !notListed.has(name) && !name.startsWith('sqlite_'))
    assert.deepEqual(names.toSorted(), [...tablesInOrder].toSorted())
    assert.ok(tables.filter(({ name }) => !notListed.has(name)).every(({ columns }) => columns.some(({ name }) => name === 'id')))
  })

  test('pages join to the whole table, in any length', async () => {
    await using directory = await makeTestDirectory()
    await using metadata = await openTestDatabase(directory.file)
    const rows = Array.from({ length: 10 }, (_, index) => ({ id: index * 3 + 1, name: `setting ${index}`, value: '{}' }))
    assert.deepEqual(await metadata.write(insertRows, { table: 'settings', rows }), { inserted: 10, textsChanged: 0 })
    for (const limit of [1, 3, 10, 11]) assert.deepEqual(await allRows(metadata, 'settings', limit), rows)
  })

  test('a page of large manifests ends early, and none is left out', async () => {
    await using directory = await makeTestDirectory()
    await using metadata = await openTestDatabase(directory.file)
    await metadata.write(insertRows, { table: 'repositories', rows: [{ id: 1, project_id: 1, name: 'a', created_at: 0 }] })
    const rows = [4, 3, 3, 12, 1].map((mebibytes, index) => manifest(index + 1, mebibytes * 1024 * 1024))
    for (const row of rows) await metadata.write(insertRows, { table: 'manifests', rows: [row] })
    assert.equal((await readRows(metadata.reader, 'manifests', { limit: 5 })).rows.length, 2)
    const read = await allRows(metadata, 'manifests', 5)
    assert.deepEqual(
      read.map(({ id, size_bytes, payload }) => ({ id, size_bytes, length: (payload as Buffer).length })),
      rows.map(({ id, size_bytes }) => ({ id, size_bytes, length: size_bytes })),
    )
    assert.deepEqual(read.at(-1)?.['payload'], rows.at(-1)?.['payload'])
  })

  test('rows whose id is there stay as they are where that is asked for, and fail the whole transaction elsewhere', async () => {
    await using directory = await makeTestDirectory()
    await using metadata = await openTestDatabase(directory.file)
    const [one, two] = [1, 2].map((id) => ({ id, name: `s${id}`, value: '1' }))
    assert.ok(one !== undefined && two !== undefined)
    await metadata.write(insertRows, { table: 'settings', rows: [one] })
    await assert.rejects(metadata.write(insertRows, { table: 'settings', rows: [two, { ...one, value: '2' }] }))
    assert.deepEqual(await allRows(metadata, 'settings', 10), [one])
    const again = await metadata.write(insertRows, { table: 'settings', rows: [two, { ...one, value: '2' }], skipExisting: true })
    assert.equal(again.inserted, 1)
    assert.deepEqual(await allRows(metadata, 'settings', 10), [one, two])
  })

  test('ids go on behind the largest row and behind those that were given before', async () => {
    await using directory = await makeTestDirectory()
    await using metadata = await openTestDatabase(directory.file)
    await metadata.write(insertRows, { table: 'settings', rows: [{ id: 7, name: 'a', value: '{}' }] })
    await metadata.write(resetSequences, { events: 40, settings: 3 })
    const { events, settings, tags } = await readSequences(metadata.reader)
    assert.deepEqual({ events, settings, tags }, { events: 40, settings: 7, tags: undefined })
    await metadata.write(resetSequences, { events: 41 })
    assert.equal((await readSequences(metadata.reader)).events, 41)
  })

  test('U+0000 stays where the database takes it, and is counted where it does not', async () => {
    await using directory = await makeTestDirectory()
    await using metadata = await openTestDatabase(directory.file)
    const { textsChanged } = await metadata.write(insertRows, { table: 'settings', rows: [{ id: 1, name: 'a\0b', value: '1' }] })
    const [row] = await allRows(metadata, 'settings', 1)
    assert.deepEqual([row?.['name'], textsChanged], metadata.dialect === 'postgres' ? ['a\uFFFDb', 1] : ['a\0b', 0])
  })

  test('an empty table is one empty page', async () => {
    await using directory = await makeTestDirectory()
    await using metadata = await openTestSqlite(directory.file)
    assert.deepEqual(await readRows(metadata.reader, 'tags', { limit: 5 }), { rows: [], next: undefined })
    assert.deepEqual(await metadata.write(insertRows, { table: 'tags', rows: [] }), { inserted: 0, textsChanged: 0 })
  })
})
