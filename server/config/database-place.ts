/** Where the database is, for people and for what lies beside it. */
import { dirname } from 'node:path'
import type { Config, DatabaseConfig } from './config.ts'

/** The file, or server and name of the database; never a password. */
export function describeDatabase(database: DatabaseConfig): string {
  if (database.driver === 'sqlite') return database.file
  const { hosts, database: name } = database.target
  return `${name} of PostgreSQL at ${hosts.map(({ host, port }) => `${host}:${port}`).join(', ')}`
}

/** The file of SQLite; undefined for a database in memory, and for PostgreSQL. */
export function databaseFileOf(database: DatabaseConfig): string | undefined {
  return database.driver === 'sqlite' && database.file !== ':memory:' ? database.file : undefined
}

/** The directory for what Berth keeps in files beside the database: its own with SQLite, else that of the data; undefined where there is none. */
export function directoryBeside({
  database,
  storage,
}: Pick<Config, 'database'> & { readonly storage: Pick<Config['storage'], 'rootDirectory'> }): string | undefined {
  if (database.driver === 'postgres') return storage.rootDirectory
  return database.file === ':memory:' ? undefined : dirname(database.file)
}
