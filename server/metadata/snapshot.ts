/**
 * All tables as they were at one instant, for whoever copies them while writes go on.
 *
 * One read transaction on a session of its own: on SQLite it keeps the write-ahead log from being cut back, on PostgreSQL dead rows from being vacuumed, so
 * it is held for the rows alone and never for the bytes of blobs.
 */
import type { Kysely } from 'kysely'
import type { DatabaseConfig } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Reader } from './metadata.ts'
import { allMigrations } from './migrations/all.ts'
import { readSchemaState } from './schema-state.ts'
import { SqliteConnection } from './sqlite-connection.ts'
import { kyselyOn } from './sqlite-dialect.ts'
import { openReader } from './sqlite-open.ts'

/** Every read sees the same commits, until it is disposed. */
export interface Snapshot extends AsyncDisposable {
  readonly reader: Reader
  /** The migrations that the tables have had, by name. */
  readonly schema: readonly string[]
}

/** Opens one beside whatever uses the database. Rejects with UNSUPPORTED for one in memory. */
export async function openSnapshot(database: DatabaseConfig, ports: Pick<Ports, 'files' | 'timers'>): Promise<Snapshot> {
  if (database.driver === 'postgres') return await openServerSnapshot(database, ports)
  if (database.file === ':memory:')
    throw new RegistryError('UNSUPPORTED', undefined, { message: 'a database in memory cannot be read by two at once: name a file' })
  const connection = new SqliteConnection(openReader(database.file))
  try {
    connection.execute('begin')
    const reader = kyselyOn(connection)
    // The first read is what fixes the instant.
    const { applied } = await readSchemaState(reader as unknown as Kysely<unknown>, allMigrations)
    return {
      reader,
      schema: applied,
      async [Symbol.asyncDispose]() {
        connection[Symbol.dispose]()
      },
    }
  } catch (error) {
    connection[Symbol.dispose]()
    throw error
  }
}

async function openServerSnapshot(
  { target, passwordFile }: Extract<DatabaseConfig, { readonly driver: 'postgres' }>,
  { files, timers }: Pick<Ports, 'files' | 'timers'>,
): Promise<Snapshot> {
  const { createConnector, passwordSource } = await import('./postgres-connector.ts')
  const { readingKysely } = await import('./postgres-dialect.ts')
  const { StatementNames } = await import('./postgres-statements.ts')
  const password = passwordSource(target, passwordFile, files.readFile)
  const connection = await createConnector({ target, password, files, timers, names: new StatementNames() }).connect('reads')
  try {
    // Between two reads there may be minutes, in which what was read is written to a slow place.
    await connection.script('set idle_in_transaction_session_timeout = 0; begin isolation level repeatable read read only')
    const reader = readingKysely((query) => connection.executeQuery(query))
    const { applied } = await readSchemaState(reader as unknown as Kysely<unknown>, allMigrations)
    return { reader, schema: applied, [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose]() }
  } catch (error) {
    connection.destroy()
    throw error
  }
}
