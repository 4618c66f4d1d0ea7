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
import type { Metadata } from '#metadata/metadata.ts'
import { refuseNetworkFileSystem } from '#metadata/network-file-system.ts'
import { inspectSqlite } from '#metadata/inspect-sqlite.ts'
import type { SchemaState } from '#metadata/schema-state.ts'
import { openSqlite } from '#metadata/sqlite.ts'

interface DatabaseSurroundings {
  readonly ports: Ports
  readonly log: Logger
  readonly metrics?: Metrics
}

/** The database that the configuration names, with this version's schema. A file is made where it is missing. */
export async function openMetadata({ database }: Config, surroundings: DatabaseSurroundings): Promise<Metadata> {
  const { ports, log } = surroundings
  if (database.driver === 'postgres') return await openServer(database, surroundings)
  if (database.file !== ':memory:') await makePrivate(database.file, ports)
  try {
    return await openSqlite({ file: database.file, ports, log })
  } catch (cause) {
    throw new Error(`the database ${database.file} cannot be opened`, { cause })
  }
}

/** The driver is loaded only where it is used. */
async function openServer(database: PostgresConfig, { ports, log, metrics }: DatabaseSurroundings): Promise<Metadata> {
  const { openPostgres } = await import('#metadata/postgres.ts')
  try {
    const metadata = await openPostgres({ ...database, ports, log })
    if (metrics !== undefined) watchDatabase(metrics.registry, () => metadata.figures)
    return metadata
  } catch (cause) {
    throw new Error(`the database ${describeDatabase(database)} cannot be opened`, { cause })
  }
}

/** How far the schema is; undefined where there is no database yet. Changes nothing. */
export async function readMigrationState({ database }: Config, ports: Ports = systemPorts): Promise<SchemaState | undefined> {
  if (database.driver === 'postgres') {
    const { inspectPostgres } = await import('#metadata/inspect-postgres.ts')
    await using inspected = await inspectPostgres({ ...database, ports })
    return stateOf(inspected)
  }
  const isThere = await ports.files.stat(database.file).then(
    () => true,
    () => false,
  )
  if (!isThere) return undefined
  await using inspected = await inspectSqlite(database.file, ports.files)
  return stateOf(inspected)
}

function stateOf({ applied, missing, unknown, mayServe }: SchemaState): SchemaState {
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
