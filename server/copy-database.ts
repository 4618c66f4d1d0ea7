/** Opens both sides of a copy from SQLite to PostgreSQL, and refuses what must not be copied, or not be copied into. */
import { operator } from '#access/user-passwords.ts'
import type { Config, PostgresConfig } from '#config/config.ts'
import { describeDatabase } from '#config/database-place.ts'
import { copyDatabase as copyRows, type CopyOptions, type CopyReport } from '#features/database-copy.ts'
import type { Logger } from '#lib/logger.ts'
import { createLogger, flushLog } from '#lib/logging.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { openCopySource, type CopySource } from '#metadata/copy-source.ts'
import { copyMigrations, countAllRows, countRelations } from '#metadata/copy-state.ts'
import { copyAdvice, copyMark, type SchemaState } from '#metadata/schema-state.ts'
import { openSqlite } from '#metadata/sqlite.ts'
import { RegistryError } from '#oci/errors.ts'
import { lockDatabase } from './serving-lock.ts'

/** From where to where. */
export interface DatabaseCopy {
  /** Absolute path of the file of SQLite. */
  readonly from: string
  /** Names the database of PostgreSQL. */
  readonly to: Pick<Config, 'database' | 'log'>
}

interface Surroundings {
  readonly ports: Ports
  readonly log: Logger
}

/** Copies all rows and compares them; goes on where a copy before it ended. Throws one sentence for what cannot be copied. */
export async function copyDatabase({ from, to }: DatabaseCopy, options: CopyOptions, ports: Ports = systemPorts): Promise<CopyReport> {
  const { database } = to
  if (database.driver !== 'postgres') throw refused('a copy goes from SQLite to PostgreSQL')
  const log = createLogger({ ...to.log, level: 'error' })
  await using stack = new AsyncDisposableStack()
  stack.defer(() => flushLog(log))
  await requireFile(from, ports)
  using _lock = lockDatabase(from)
  using source = await openSource(from)
  const name = describeDatabase(database)
  await requireRoom(database, name, { ports, log })
  const { openPostgres } = await import('#metadata/postgres.ts')
  await using metadata = await openPostgres({ ...database, ports, log, migrations: copyMigrations })
  const parts = {
    source: { reader: source.reader, name: from },
    target: { metadata, name },
    clock: ports.clock,
    random: ports.random,
    who: operator,
  }
  return await copyRows(parts, options)
}

/** What to do about a schema into which a copy has not ended; undefined for any other. */
export function adviceOnCopy({ unknown }: Pick<SchemaState, 'unknown'>): string | undefined {
  return unknown.includes(copyMark) ? copyAdvice : undefined
}

async function requireFile(file: string, { files }: Ports): Promise<void> {
  const found = await files.stat(file).catch((error: unknown) => error as NodeJS.ErrnoException)
  if (found instanceof Error) throw refused(`${file} cannot be read (${found.code ?? found.message}): name the file of SQLite, berth.db`)
  if (found.size === 0) throw refused(`${file} is empty: name the file of SQLite, berth.db, of the registry that moves`)
}

async function openSource(file: string): Promise<CopySource> {
  const source = await openCopySource(file).catch((cause: unknown) => {
    throw refused(`${file} cannot be opened as a database of SQLite`, cause)
  })
  if (source === undefined) throw refused(`somebody writes to ${file}: let it end first`)
  const fault = faultOf(file, source)
  if (fault === undefined) return source
  source[Symbol.dispose]()
  throw refused(fault)
}

function faultOf(file: string, { applied, missing, unknown }: CopySource): string | undefined {
  if (applied.length === 0) return `${file} is no database of Berth`
  if (unknown.length > 0) return `a newer Berth wrote ${file} (${unknown.join(', ')}): copy it with that version`
  if (missing.length > 0)
    return `an older Berth wrote ${file} (${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing): back it up, bring it up with berth migrate up, and copy it then`
  return undefined
}

/** Throws where there is anything but what migrations make, or a copy that did not end. */
async function requireRoom(to: PostgresConfig, name: string, surroundings: Surroundings): Promise<void> {
  const { inspectPostgres } = await import('#metadata/inspect-postgres.ts')
  const inspected = await inspectPostgres({ ...to, ports: surroundings.ports }).catch((cause: unknown) => {
    throw refused(`${name} does not answer`, cause)
  })
  await using target = inspected
  const { applied, missing, unknown, reader } = target
  if (applied.length === 0) {
    const relations = await countRelations(reader)
    if (relations === 0) return
    throw refused(`${name} is not empty: it has ${relations} tables or views that are none of Berth's; make a database for Berth alone`)
  }
  const others = unknown.filter((migration) => migration !== copyMark)
  if (others.length > 0) throw refused(`a newer Berth made the tables of ${name} (${others.join(', ')}): copy with that version`)
  if (missing.length > 0)
    throw refused(`an older Berth made the tables of ${name} (${missing.join(', ')} missing): empty that database, and begin anew`)
  if (unknown.includes(copyMark)) return
  const counts = await countAllRows(reader)
  const made = await rowsOfMigrations(surroundings)
  const full = Object.entries(counts).filter(([table, count]) => count !== made[table as keyof typeof made])
  if (full.length === 0) return
  const what = full.map(([table, count]) => `${count} ${table}`).join(', ')
  throw refused(`${name} is not empty: Berth has been used there (${what}); name an empty database`)
}

/** What there is before the first start. */
async function rowsOfMigrations(surroundings: Surroundings): Promise<Awaited<ReturnType<typeof countAllRows>>> {
  await using fresh = await openSqlite({ file: ':memory:', ...surroundings })
  return await countAllRows(fresh.reader)
}

function refused(message: string, cause?: unknown): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message, cause })
}
