import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { onlyStore } from '#blobs/stores.ts'
import { systemPorts } from '#lib/ports.ts'
import { openTestSqlite } from '#metadata/test-database.ts'
import { testDialect } from '#metadata/test-postgres.ts'
import { checkInvariants } from '../invariants.ts'
import { assertThere, clientOf, fill, makeTarget, pushStaged } from '../support/backup-stage.ts'
import { runBerth } from '../support/run-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { violationsOf } from '../support/violations.ts'

const skip = testDialect === 'postgres' ? false : 'runs by npm run test:postgres'

test(
  'a backup of SQLite is restored on PostgreSQL, and one of that on SQLite: all is there, counters go on, nothing is violated',
  { skip },
  async () => {
    await using place = await temporaryDirectory('backups')
    await using sqlite = await makeTarget({ database: { url: undefined, file: join(place.path, 'first.db') } })
    const first = await sqlite.start()
    const images = await fill(clientOf(first))
    await first.stop()
    using database = new DatabaseSync(join(place.path, 'first.db'))
    // An old record whose text PostgreSQL does not take, and whose id is gone from the counter's end.
    database.exec(
      `update events set user_agent = 'a' || char(0) || 'b' where id = 1; delete from events where id = (select max(id) from events)`,
    )
    const given = database.prepare(`select seq from sqlite_sequence where name = 'events'`).get()?.['seq'] as number
    database.close()
    await runBerth('backup', 'create', sqlite.configFile, '--at', join(place.path, 'one'))
    await using server = await makeTarget()
    const restored = await runBerth('restore', server.configFile, '--from', join(place.path, 'one'))
    assert.match(restored.stdout, /1 text had a character that this database does not take/)
    const second = await server.start()
    await assertThere(clientOf(second), images)
    images.push(await pushStaged(clientOf(second), 'team/on-postgres', 'v1'))
    await second.stop()
    assert.deepEqual(await violationsOf(second), [])
    await runBerth('backup', 'create', server.configFile, '--at', join(place.path, 'two'))
    await using back = await makeTarget({ database: { url: undefined, file: join(place.path, 'third.db') } })
    await runBerth('restore', back.configFile, '--from', join(place.path, 'two'))
    const third = await back.start()
    await assertThere(clientOf(third), images)
    await pushStaged(clientOf(third), 'team/on-sqlite', 'v1')
    await third.stop()
    await using metadata = await openTestSqlite(join(place.path, 'third.db'))
    await using store = createFilesystemStore({ rootDirectory: back.dataDir, files: systemPorts.files })
    assert.deepEqual(await checkInvariants({ metadata, store, stores: onlyStore(store), rootDirectory: back.dataDir }), [])
    const { id } = await metadata.reader.selectFrom('events').select('id').orderBy('id', 'desc').limit(1).executeTakeFirstOrThrow()
    assert.ok(id > given, 'an id that was given is never given again')
    const repeated = await metadata.reader.selectFrom('events').select('id').where('id', '=', given).executeTakeFirst()
    assert.equal(repeated, undefined)
  },
)
