/** Databases for tests: SQLite, or with `BERTH_TEST_DATABASE=postgres` PostgreSQL (test-postgres.ts). */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pino } from 'pino'
import type { Logger } from '#lib/logger.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import type { Metadata } from './metadata.ts'
import { openSqlite, type SqliteOptions } from './sqlite.ts'
import { alterTestPostgres, openTestPostgres, testDialect } from './test-postgres.ts'

/** A directory of its own, removed with everything in it. */
export interface TestDirectory extends AsyncDisposable {
  readonly file: string
}

export async function makeTestDirectory(): Promise<TestDirectory> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-metadata-'))
  return { file: join(directory, 'berth.db'), [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) }
}

/** What a test may say; the rest are the machine's ports and no log. */
export interface TestDatabaseOptions extends Partial<Omit<SqliteOptions, 'file' | 'ports' | 'log'>> {
  readonly ports?: Pick<Ports, 'clock' | 'timers'>
  readonly log?: Logger
}

/** Opens what the tests run on: the file, or the database of PostgreSQL that stands for it. */
export function openTestDatabase(file: string, options: TestDatabaseOptions = {}): Promise<Metadata> {
  const { ports = systemPorts, log = pino({ enabled: false }), migrations } = options
  if (testDialect === 'sqlite') return openSqlite({ file, ports, log, ...options })
  // A network needs the machine's own time: a test's clock may stand still.
  return openTestPostgres(file, { ports: systemPorts, log, ...(migrations !== undefined && { migrations }) })
}

/** Runs statements on the database of a file that nobody has open, as another program would. */
export async function alterTestDatabase(file: string, statements: readonly string[]): Promise<void> {
  if (testDialect === 'postgres') return await alterTestPostgres(file, statements)
  // The writer's thread may be in the middle of a commit.
  using database = new DatabaseSync(file, { timeout: 5_000 })
  for (const statement of statements) database.exec(statement)
}

/** Bytes as they are written in a statement. */
export function bytesLiteral(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return testDialect === 'postgres' ? `'\\x${hex}'::bytea` : `x'${hex}'`
}

/** Opens SQLite whatever the tests run on: for tests about SQLite itself. */
export function openTestSqlite(file: string, options: Partial<SqliteOptions> = {}): Promise<Metadata> {
  return openSqlite({ file, ports: systemPorts, log: pino({ enabled: false }), ...options })
}
