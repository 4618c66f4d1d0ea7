/** Opens the database that the configuration names, and looks at its schema. */
import { dirname } from 'node:path'
import { makeDirectory } from '#blobs/directories.ts'
import type { Config, PostgresConfig } from '#config/config.ts'
import { describeDatabase } from '#config/database-place.ts'
import { watchDatabase } from '#lib/database-metrics.ts'
import type { Logger } from '#lib/logger.ts'
import { createLogger } from '#lib/logging.ts'
import type { Metrics } from '#lib/metrics.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import type { Metadata, Reader } from '#metadata/metadata.ts'
import type { Migrations } from '#metadata/migrations/all.ts'
import { refuseNetworkFileSystem } from '#metadata/network-file-system.ts'
import { inspectSqlite } from '#metadata/inspect-sqlite.ts'
import type { SchemaState } from '#metadata/schema-state.ts'
import { openSqlite } from '#metadata/sqlite.ts'

interface DatabaseSurroundings {
  readonly ports: Ports
  readonly log: Logger
  readonly metrics?: Metrics
  /** All of this program, unless an older schema is to be filled first. */
  readonly migrations?: Migrations | undefined
}

/** The database that the configuration names, with this version's schema. A file is made where it is missing. */
export async function openMetadata({ database }: Config, surroundings: DatabaseSurroundings): Promise<Metadata> {
  const { ports, log, migrations } = surroundings
  if (database.driver === 'postgres') return await openServer(database, surroundings)
  if (database.file !== ':memory:') await makePrivate(database.file, ports)
  try {
    return await openSqlite({ file: database.file, ports, log, ...(migrations !== undefined && { migrations }) })
  } catch (cause) {
    throw new Error(`the database ${database.file} cannot be opened`, { cause })
  }
}

/** The driver is loaded only where it is used. */
async function openServer(database: PostgresConfig, { ports, log, metrics, migrations }: DatabaseSurroundings): Promise<Metadata> {
  const { openPostgres } = await import('#metadata/postgres.ts')
  try {
    const metadata = await openPostgres({ ...database, ports, log, ...(migrations !== undefined && { migrations }) })
    if (metrics !== undefined) watchDatabase(metrics.registry, () => metadata.figures)
    return metadata
  } catch (cause) {
    throw new Error(`the database ${describeDatabase(database)} cannot be opened`, { cause })
  }
}

/** A database that is open for reading, and nothing of it changes. */
interface Inspected extends SchemaState, AsyncDisposable {
  readonly reader: Reader
}

/** Undefined where there is no database yet. */
export async function inspectDatabase({ database }: Pick<Config, 'database'>, ports: Ports): Promise<Inspected | undefined> {
  if (database.driver === 'postgres') {
    const { inspectPostgres } = await import('#metadata/inspect-postgres.ts')
    return await inspectPostgres({ ...database, ports })
  }
  return (await sizeOf(database.file, ports)) === undefined ? undefined : await inspectSqlite(database.file, ports.files)
}

/** Whether something was ever written to it. What cannot be asked is taken to be there: opening it says why. */
export async function isDatabaseThere(config: Pick<Config, 'database'>, ports: Ports): Promise<boolean> {
  const { database } = config
  if (database.driver === 'sqlite') return ((await sizeOf(database.file, ports)) ?? 0) > 0
  const found = await readMigrationState(config, ports).catch(() => undefined)
  return found === undefined || found.applied.length > 0
}

async function sizeOf(file: string, { files }: Pick<Ports, 'files'>): Promise<number | undefined> {
  return await files.stat(file).then(
    ({ size }) => size,
    () => undefined,
  )
}

/** How far the schema is; undefined where there is no database yet. Changes nothing. */
export async function readMigrationState(config: Pick<Config, 'database'>, ports: Ports = systemPorts): Promise<SchemaState | undefined> {
  await using inspected = await inspectDatabase(config, ports)
  if (inspected === undefined) return undefined
  const { applied, missing, unknown, mayServe } = inspected
  return { applied, missing, unknown, mayServe }
}

/** Brings the schema to this version's, which each start does too. Works beside running servers. */
export async function migrateDatabase(config: Config, ports: Ports = systemPorts): Promise<void> {
  const log = createLogger(config.log)
  await using _database = await openMetadata(config, { ports, log })
}

/** Makes the file where it is missing, for SQLite would let everybody read it: it has hashes of passwords. */
async function makePrivate(file: string, { files }: Ports): Promise<void> {
  await makeDirectory(files, dirname(file))
  await refuseNetworkFileSystem(file, files)
  await using _made = await files.open(file, 'a', 0o600)
}
