/**
 * Databases of PostgreSQL for tests, in the cluster that `BERTH_TEST_POSTGRES_URL` names as its superuser (scripts/test-postgres.mjs starts one).
 *
 * Each test has a database of its own, copied from a migrated template. What a test calls the file of a database is the name of one here: who opens the
 * same file opens the same database, in other processes too. `:memory:` is a fresh one that goes when it is closed; the others go with their directory.
 */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parsePostgresUrl, type PostgresTarget } from '#config/postgres-url.ts'
import { systemPorts } from '#lib/ports.ts'
import { pino } from 'pino'
import type { Metadata } from './metadata.ts'
import { allMigrations } from './migrations/all.ts'
import { openPostgres, type PostgresOptions } from './postgres.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import { createConnector, passwordSource } from './postgres-connector.ts'
import { StatementNames } from './postgres-statements.ts'

/** Which database the tests run on. */
// oxlint-disable-next-line node/no-process-env -- how a run of the tests is told
export const testDialect: 'sqlite' | 'postgres' = process.env['BERTH_TEST_DATABASE'] === 'postgres' ? 'postgres' : 'sqlite'

function clusterUrl(): string {
  // oxlint-disable-next-line node/no-process-env -- how a run of the tests is told
  const url = process.env['BERTH_TEST_POSTGRES_URL']
  if (url === undefined || url === '') throw new Error('BERTH_TEST_POSTGRES_URL is missing: run the tests by npm run test:postgres')
  return url
}

/** The URL of a database in the cluster. */
function urlOf(database: string): string {
  const url = new URL(clusterUrl())
  url.pathname = `/${database}`
  return url.href
}

/** A target of tests is always well-formed. */
export function targetOf(url: string): PostgresTarget {
  const target = parsePostgresUrl(url)
  if ('fault' in target) throw new Error(`the test's URL ${target.fault}`)
  return target
}

/** A session for tests that look at the server or command it, on any database. */
export async function openSession(url: string = clusterUrl()): Promise<PostgresConnection> {
  const target = targetOf(url)
  const connector = createConnector({
    target,
    password: passwordSource(target, undefined),
    files: systemPorts.files,
    timers: systemPorts.timers,
    names: new StatementNames(),
  })
  const connection = await connector.connect('writes')
  await connection.script('set statement_timeout = 0; set enable_seqscan = on')
  return connection
}

async function command<T>(run: (connection: PostgresConnection) => Promise<T>): Promise<T> {
  await using connection = await openSession()
  return await run(connection)
}

/** Of the migrations' text: a changed one makes a template of its own. */
function templateName(): string {
  const directory = fileURLToPath(new URL('migrations', import.meta.url))
  const hash = createHash('sha256')
  for (const name of readdirSync(directory).sort()) hash.update(name).update(readFileSync(resolve(directory, name)))
  return `berth_template_${hash.digest('hex').slice(0, 16)}`
}

let template: Promise<string> | undefined

/** Made once in a cluster; whoever comes meanwhile waits. */
async function ensureTemplate(): Promise<string> {
  const name = templateName()
  await command(async (connection) => {
    await connection.script(`set lock_timeout = 0; select pg_advisory_lock(hashtext('${name}'))`)
    const known = await connection.script(`select 1 from pg_database where datname = '${name}' and datistemplate`)
    if (known.length > 0) return
    await connection.script(`drop database if exists ${name}`)
    await connection.script(`create database ${name}`)
    await using _migrated = await openPostgres({ target: targetOf(urlOf(name)), ports: systemPorts, log: pino({ enabled: false }) })
    await connection.script(`alter database ${name} is_template true`)
  })
  return name
}

/** A fresh database, copied from the template, under this name if there is none. */
async function ensureDatabase(name: string, wanted?: string): Promise<string> {
  const source = wanted ?? (await (template ??= ensureTemplate()))
  await command(async (connection) => {
    await connection.script(`select pg_advisory_lock(hashtext('${name}'))`)
    const known = await connection.script(`select 1 from pg_database where datname = '${name}'`)
    if (known.length === 0) await connection.script(`create database ${name} template ${source} strategy file_copy`)
  })
  return urlOf(name)
}

async function dropDatabase(name: string): Promise<void> {
  await command((connection) => connection.script(`drop database if exists ${name} with (force)`))
}

/** Databases of files, by name, with the directory of each. */
const filed = new Map<string, string>()

/** Drops the databases whose directories are gone, or of the one that is about to go. */
async function dropAbandoned(): Promise<void> {
  for (const [name, directory] of filed) {
    if (existsSync(directory)) continue
    filed.delete(name)
    await dropDatabase(name)
  }
}

/** The URL of the database that stands for this file, made when it is missing. */
export async function postgresUrlFor(file: string, source?: string): Promise<string> {
  await dropAbandoned()
  const path = resolve(file)
  const name = `berth_test_${createHash('sha256').update(path).digest('hex').slice(0, 24)}`
  const url = await ensureDatabase(name, source)
  filed.set(name, dirname(path))
  return url
}

/** A database of its own, dropped when it is disposed. */
export async function makePostgresDatabase(source?: string): Promise<AsyncDisposable & { readonly url: string }> {
  await dropAbandoned()
  const name = `berth_test_${randomUUID().replaceAll('-', '')}`
  const url = await ensureDatabase(name, source)
  return { url, [Symbol.asyncDispose]: () => dropDatabase(name) }
}

/** Ids that statements gave are behind the counters: those go on after them. */
const countOn = `do $$ declare t record; begin
  for t in select table_name as name from information_schema.columns where table_schema = 'public' and column_name = 'id' and is_identity = 'YES' loop
    execute format('select setval(pg_get_serial_sequence(%L, ''id''), greatest((select max(id) from %I), 1))', t.name, t.name);
  end loop; end $$`

/** Runs statements on the database that stands for `file`. */
export async function alterTestPostgres(file: string, statements: readonly string[]): Promise<void> {
  await using session = await openSession(await postgresUrlFor(file))
  for (const statement of [...statements, countOn]) await session.script(statement)
}

/** Opens the database that stands for `file`; one in memory is dropped when it is closed. */
export async function openTestPostgres(file: string, options: Omit<PostgresOptions, 'target'>): Promise<Metadata> {
  // With fewer migrations than the template has had, an empty one is meant.
  const { migrations = allMigrations } = options
  const source = Object.keys(allMigrations).every((name) => Object.hasOwn(migrations, name)) ? undefined : 'template1'
  if (file !== ':memory:') return await openPostgres({ ...options, target: targetOf(await postgresUrlFor(file, source)) })
  const database = await makePostgresDatabase(source)
  const metadata = await openPostgres({ ...options, target: targetOf(database.url) })
  const close = metadata[Symbol.asyncDispose].bind(metadata)
  let closing: Promise<void> | undefined
  return Object.assign(metadata, {
    [Symbol.asyncDispose]: () => (closing ??= close().then(() => database[Symbol.asyncDispose]())),
  })
}
