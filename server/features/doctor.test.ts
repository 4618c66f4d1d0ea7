import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { pino } from 'pino'
import { loadConfig } from '#config/load.ts'
import type { Config } from '#config/config.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { openSqlite } from '#metadata/sqlite.ts'
import { lockForServing } from '#metadata/sqlite-lock.ts'
import { makeCertificates } from '../../test/support/certificates.ts'
import { checkCache } from './doctor-cache.ts'
import type { Diagnosis } from './doctor-check.ts'
import { examine } from './doctor.ts'

const dayMs = 24 * 60 * 60 * 1_000

class Place implements AsyncDisposable {
  readonly path: string
  readonly data: string

  constructor(path: string) {
    this.path = path
    this.data = join(path, 'data')
  }

  /** With a database, a key file and a data directory, as after a first start. */
  static async make(): Promise<Place> {
    const place = new Place(await mkdtemp(join(tmpdir(), 'berth-doctor-')))
    await mkdir(place.data, { mode: 0o700 })
    return place
  }

  get database(): string {
    return join(this.data, 'berth.db')
  }

  async withDatabase(): Promise<this> {
    await writeFile(this.database, '', { mode: 0o600 })
    await using _made = await openSqlite({ file: this.database, ports: systemPorts, log: pino({ enabled: false }) })
    return this
  }

  /** One statement past all rooms. */
  tamper(statement: string): void {
    const database = new DatabaseSync(this.database)
    database.exec(statement)
    database.close()
  }

  async config(lines: readonly string[] = []): Promise<Config> {
    const file = join(this.path, 'config.yml')
    const base = ['version: 0.1', `storage: {filesystem: {rootdirectory: ${this.data}}}`]
    const http = lines.some((line) => line.startsWith('http')) ? [] : ['http: {addr: "127.0.0.1:0"}']
    await writeFile(file, [...base, ...http, ...lines, ''].join('\n'))
    return (await loadConfig({ file, environment: {}, cwd: this.path })).config
  }

  async examine(config?: Config, ports: Ports = systemPorts): Promise<Diagnosis[]> {
    return examine({ config: config ?? (await this.config()), warnings: [], ports })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}

/** The one thing of that check that is not fine. */
function only(diagnoses: readonly Diagnosis[], check: string): Diagnosis {
  const wrong = diagnoses.filter((each) => each.check === check && each.verdict !== 'ok')
  assert.equal(wrong.length, 1, JSON.stringify(diagnoses, undefined, 1))
  return wrong[0] ?? { check, verdict: 'ok', message: '' }
}

suite('the doctor', () => {
  test('finds a registry that is well to be well, changes nothing and leaves nothing behind', async () => {
    await using place = await (await Place.make()).withDatabase()
    const before = await readdir(place.data)
    const bytes = await readFile(place.database)
    const diagnoses = await place.examine()
    assert.deepEqual(
      diagnoses.filter(({ verdict }) => verdict !== 'ok'),
      [],
    )
    for (const check of ['configuration', 'storage', 'free space', 'database', 'schema', 'secrets', 'leftovers'])
      assert.ok(
        diagnoses.some((each) => each.check === check),
        check,
      )
    assert.deepEqual(await readdir(place.data), before)
    assert.deepEqual(await readFile(place.database), bytes)
  })

  test('says what is not there yet, and does not make it', async () => {
    await using place = await Place.make()
    assert.match(only(await place.examine(), 'database').message, /the first start makes it/u)
    await rm(place.data, { recursive: true })
    assert.match(only(await place.examine(), 'storage').message, /is its disk mounted\?/u)
    assert.deepEqual((await readdir(place.path)).toSorted(), ['config.yml'])
  })

  test('a cache before an object store that cannot be used is a problem: nothing else would tell', async () => {
    await using place = await Place.make()
    const file = join(place.path, 'file')
    await writeFile(file, '')
    const base = await place.config()
    const look = async (directory: string, files: Ports['files'] = systemPorts.files) => {
      const readThrough = { directory, sizeBytes: 1, maximumBytes: 1, redirects: false }
      const parts = { config: { ...base, storage: { ...base.storage, readThrough } }, ports: { ...systemPorts, files } }
      return (await checkCache(parts)).map(({ verdict, message }) => `${verdict}: ${message}`).join()
    }
    assert.deepEqual(await checkCache({ config: base, ports: systemPorts }), [])
    assert.match(await look(place.path), /^ok: .* can be written to$/)
    assert.match(await look(join(place.path, 'not/yet')), /^ok: .* the first start makes it$/)
    assert.match(await look(file), /^problem: .*file is a file, and no directory: pulls pass the cache by/)
    assert.match(await look(join(file, 'below')), /^problem: .* cannot be made, .*file is a file/)
    const access = () => Promise.reject(Object.assign(new Error('no'), { code: 'EROFS' }))
    assert.match(await look(place.path, { ...systemPorts.files, access }), /^problem: .* cannot be used \(EROFS\)/)
    assert.deepEqual((await readdir(place.path)).toSorted(), ['config.yml', 'data', 'file'])
  })

  test('a store that takes no bytes, or is short of space, is a problem', async () => {
    await using place = await (await Place.make()).withDatabase()
    const failing: Ports = {
      ...systemPorts,
      files: {
        ...systemPorts.files,
        open: async () => {
          throw Object.assign(new Error('read-only'), { code: 'EROFS', syscall: 'open' })
        },
      },
    }
    const { verdict, message } = only(await place.examine(undefined, failing), 'storage')
    assert.deepEqual([verdict, message.includes('(EROFS)')], ['problem', true])
    const config = await place.config()
    const greedy = { ...config, storage: { ...config.storage, minimumFreeBytes: Number.MAX_SAFE_INTEGER } }
    assert.match(only(await place.examine(greedy), 'free space').message, /pushes are refused/u)
    await chmod(place.data, 0o777)
    assert.match(only(await place.examine(), 'storage').message, /everybody may write/u)
  })

  test('a database that is damaged, newer, older or no database is told from one that is well', async () => {
    await using place = await (await Place.make()).withDatabase()
    place.tamper(`insert into kysely_migration (name, timestamp) values ('9999-later', 'x'); update schema_level set needs = 9999`)
    assert.match(only(await place.examine(), 'schema').message, /a newer Berth wrote it \(9999-later\)/u)
    place.tamper(`delete from kysely_migration where name >= '0003'`)
    assert.equal(only(await place.examine(), 'schema').verdict, 'warning')
    const bytes = await readFile(place.database)
    await writeFile(place.database, bytes.fill(0x5a, 8192, 24_576))
    assert.equal(only(await place.examine(), 'database').verdict, 'problem')
    await writeFile(place.database, 'this is no database at all, whatever its name says')
    assert.equal(only(await place.examine(), 'database').verdict, 'problem')
  })

  test('files that everybody may read are a problem', async () => {
    await using place = await (await Place.make()).withDatabase()
    await chmod(place.database, 0o644)
    const { verdict, message } = only(await place.examine(), 'permissions')
    assert.deepEqual([verdict, message.includes('berth.db: chmod o= it')], ['problem', true])
  })

  test('work that is left lying, findings and a clock that went back are told', async () => {
    await using place = await (await Place.make()).withDatabase()
    const ahead = Date.now() + dayMs
    place.tamper(`
      insert into scrub_findings (kind, store, key, size_bytes, detail, found_at, seen_at) values ('orphan', 'filesystem', 'k', 1, '', 1, 1);
      insert into garbage_reviews (kind, target_id, review_after) values ('blob', 1, 1);
      insert into jobs (kind, state, priority, payload, attempts, attempts_max, run_after, fence, worker, lease_until, stop_requested, created_by, created_at)
        values ('scrub', 'failed', 0, 'null', 5, 5, 1, 1, '', 1, 0, '', 1), ('scrub', 'waiting', 0, 'null', 5, 5, 1, 1, '', 1, 0, '', 1);
      insert into events (at, action, actor, request_id, detail) values (${ahead}, 'user.created', '', '', '{}')`)
    const diagnoses = await place.examine()
    assert.equal(diagnoses.filter(({ check }) => check === 'leftovers').length, 4, JSON.stringify(diagnoses, undefined, 1))
    assert.match(only(diagnoses, 'clock').message, /has not come yet/u)
  })

  test('a backup that is older than two times of its schedule, that failed or is broken is told', async () => {
    await using place = await (await Place.make()).withDatabase()
    const lines = [`backup: {store: {filesystem: {rootdirectory: ${join(place.path, 'backups')}}}}`]
    const told = async () => (await place.examine(await place.config(lines))).filter(({ check }) => check === 'backups')
    assert.deepEqual(await told(), [], 'before the first start')
    place.tamper(`insert into schedules (name, kind, payload, cron, time_zone, is_enabled, next_at, last_at, last_job_id, version, updated_at)
      values ('create-backup', 'create-backup', 'null', '0 2 * * *', 'UTC', 1, ${Date.now()}, null, null, 1, 0)`)
    assert.deepEqual(
      (await told()).map(({ verdict, message }) => [verdict, message]),
      [['ok', 'none was made yet']],
    )
    const status = async (value: Readonly<Record<string, unknown>>) => {
      place.tamper(`delete from settings where name = 'backup.status';
        insert into settings (name, value) values ('backup.status', '${JSON.stringify({ failures: 0, ...value })}')`)
      return (await told()).map(({ verdict, message }) => `${verdict}: ${message}`)
    }
    assert.deepEqual(await status({ successAt: Date.now() - dayMs }), ['ok: the newest backup is 24 hours old'])
    const [late, ...others] = await status({ successAt: Date.now() - 3 * dayMs, failedAt: 1, error: 'no space' })
    assert.match(late ?? '', /^warning: the newest backup is 3 days old, though its schedule is 0 2 \* \* \*: see berth backup status/u)
    assert.deepEqual(others, ['warning: the last one failed: no space'])
    assert.match(
      (await status({ successAt: Date.now(), brokenBackups: 2, missingBlobs: 1 })).join(),
      /1 blobs are not in.*2 were found broken/u,
    )
    place.tamper(`delete from settings where name = 'backup.status'; update schedules set last_at = ${Date.now() - 3 * dayMs}`)
    assert.match((await told())[0]?.message ?? '', /^no backup was made yet, though/u)
    place.tamper('update schedules set is_enabled = 0')
    assert.deepEqual(await status({ successAt: Date.now() - 30 * dayMs }), ['ok: the newest backup is 30 days old'])
    assert.deepEqual(
      (await place.examine()).filter(({ check }) => check === 'backups'),
      [],
      'without a place',
    )
  })

  test('bytes whose deletion began and did not end are told of, and not as old', async () => {
    await using place = await (await Place.make()).withDatabase()
    const insert = (at: number) =>
      place.tamper(
        `insert into blob_deletions (store, key, size_bytes, delete_after, is_push) values ('filesystem', 'k${at}', 1, ${at}, 0)`,
      )
    insert(-1)
    assert.match(only(await place.examine(), 'leftovers').message, /^1 file is being deleted just now, or could not be/u)
    insert(1)
    const messages = (await place.examine()).filter(({ check }) => check === 'leftovers').map(({ message }) => message)
    assert.deepEqual([messages.length, messages.some((message) => message.includes('more than a day'))], [2, true])
  })

  test('a store without the blobs that rows name is a problem, and so are blobs in quarantine', async () => {
    await using place = await (await Place.make()).withDatabase()
    const keys = ['a', 'b', 'c'].map((each) => `blobs/sha256/${each}`)
    await mkdir(join(place.data, 'blobs', 'sha256'), { recursive: true })
    for (const [index, key] of keys.entries()) {
      await writeFile(join(place.data, key), '')
      place.tamper(`insert into blobs (digest, size_bytes, state, lease_until, store, key, created_at)
        values (x'0${index}', 0, 'live', 0, 'filesystem', '${key}', 0);
        insert into scrub_findings (kind, store, key, size_bytes, detail, found_at, seen_at) values ('orphan', 'filesystem', '${index}', 1, '', 1, 1)`)
    }
    const [well] = (await place.examine()).filter(({ check }) => check === 'blobs')
    assert.equal(well?.verdict, 'ok', well?.message)
    await rm(join(place.data, keys[0] ?? ''))
    const lost = only(await place.examine(), 'blobs')
    assert.deepEqual([lost.verdict, lost.message.startsWith('1 of 3 blobs')], ['problem', true])
    place.tamper(`update blobs set state = 'quarantined' where key = '${keys[0]}';
      insert into scrub_findings (kind, store, key, size_bytes, detail, found_at, seen_at) values ('missing', 'filesystem', '${keys[0]}', 0, '', 1, 1)`)
    const diagnoses = await place.examine()
    assert.match(only(diagnoses, 'blobs').message, /^1 blobs are in quarantine: /u)
    assert.match(only(diagnoses, 'leftovers').message, /knows of 3 things/u)
    await rm(join(place.data, 'blobs'), { recursive: true })
    const empty = only(await place.examine(), 'blobs')
    assert.deepEqual([empty.verdict, /^none of 3 blobs .* is its disk mounted\?/u.test(empty.message)], ['problem', true])
  })

  test('counts that are wrong are found while no server runs, and not looked for while one does', async () => {
    await using place = await (await Place.make()).withDatabase()
    {
      using lock = lockForServing(place.database)
      assert.ok(lock !== undefined)
      place.tamper(`insert into usage_changes (scope, scope_id, bytes, manifest_bytes, logical_bytes, blobs, manifests, tags, repositories)
        values ('system', 0, 5, 0, 0, 1, 0, 0, 0)`)
      const [usage] = (await place.examine()).filter(({ check }) => check === 'usage')
      assert.deepEqual([usage?.verdict, usage?.message.startsWith('a server is running')], ['ok', true])
    }
    assert.match(only(await place.examine(), 'usage').message, /berth usage verify --repair/u)
  })

  test('a key file that is gone or changed is a problem as soon as something is sealed under it', async () => {
    await using place = await (await Place.make()).withDatabase()
    place.tamper(`insert into users (name, password_hash, is_admin, created_at, updated_at) values ('a', '', 0, 0, 0);
      insert into second_factors (user_id, kind, name, secret, counter, created_at) select id, 'totp', '', x'0102', 0, 0 from users where name = 'a'`)
    assert.match(only(await place.examine(), 'secrets').message, /is not there, and 1 values are sealed under it/u)
    const config = await place.config()
    await writeFile(config.secrets.keyFile ?? '', `${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 })
    assert.match(only(await place.examine(), 'secrets').message, /1 of 1 sealed values do not open/u)
  })

  test('a certificate that ends soon, has ended or has another key is told', async () => {
    await using place = await (await Place.make()).withDatabase()
    const made = await makeCertificates(place.path, ['DNS:a.test'])
    const httpOf = (key: string) => [`http: {addr: "127.0.0.1:0", tls: {certificate: ${made.certificateFile}, key: ${key}}}`]
    const config = await place.config(httpOf(made.keyFile))
    assert.match(only(await place.examine(config), 'certificate').message, /ends in [01] days/u)
    const later: Ports = { ...systemPorts, clock: { ...systemPorts.clock, now: () => Date.now() + 9 * dayMs } }
    assert.match(only(await place.examine(config, later), 'certificate').message, /renew it; it is taken up without a restart/u)
    const other = await place.config(httpOf(join(place.path, 'ca.key')))
    assert.match(only(await place.examine(other), 'certificate').message, /no client can connect/u)
  })

  test('a file of users that has lines which do not count, and proxies that are everybody, are told', async () => {
    await using place = await (await Place.make()).withDatabase()
    const path = join(place.path, 'htpasswd')
    await writeFile(path, 'alice:{SHA}abc\n')
    const config = await place.config([
      `auth: {htpasswd: {realm: r, path: ${path}}}`,
      'http: {addr: "127.0.0.1:0", trustedproxies: ["0.0.0.0/0"]}',
    ])
    const diagnoses = await place.examine(config)
    assert.match(only(diagnoses, 'htpasswd').message, /1 lines of .* do not count; line 1/u)
    assert.equal(only(diagnoses, 'proxies').verdict, 'problem')
  })

  test('a port that is taken is told, and is no problem: a server may be running', async () => {
    await using place = await (await Place.make()).withDatabase()
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const { port } = taken.address() as { port: number }
    const config = await place.config([`http: {addr: "127.0.0.1:${port}"}`])
    const [found] = (await place.examine(config)).filter(({ check }) => check === 'port')
    taken.close()
    assert.deepEqual([found?.verdict, found?.message.startsWith(`port ${port} is in use`)], ['ok', true])
  })
})
