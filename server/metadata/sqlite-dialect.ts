/** Kysely over a {@link SqliteConnection}: Kysely's own compiler and introspector, our driver. */
import { Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, type DatabaseConnection, type Driver } from 'kysely'
import type { Database } from './schema.ts'
import type { SqliteConnection } from './sqlite-connection.ts'
import { unavailable } from './sqlite-errors.ts'

/** Kysely's adapter, with the way from a query builder back to its connection that prepared.ts takes. */
export class SqliteConnectionAdapter extends SqliteAdapter {
  readonly connection: SqliteConnection

  constructor(connection: SqliteConnection) {
    super()
    this.connection = connection
  }

  /** Queries never wait inside SQLite, so Kysely needs no mutex around the connection; the writer runs one transaction after the other. */
  override get supportsMultipleConnections(): boolean {
    return true
  }

  /** SQLite rolls DDL back like any other statement; Kysely's own adapter says no out of caution. */
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

/** A transaction takes the write lock at its start; within one that is open already (a group of the writer) it is a savepoint. */
class SqliteDriver implements Driver {
  readonly #connection: SqliteConnection
  #isSavepoint = false

  constructor(connection: SqliteConnection) {
    this.#connection = connection
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection
  }

  async beginTransaction(): Promise<void> {
    this.#isSavepoint = this.#connection.database.isTransaction
    this.#connection.execute(this.#isSavepoint ? 'savepoint one' : 'begin immediate')
    this.#connection.transactional = true
  }

  async commitTransaction(): Promise<void> {
    // `run` may have swallowed the error that made SQLite roll back by itself.
    if (!this.#connection.database.isTransaction) throw unavailable(new Error('the transaction was rolled back by the database'))
    this.#connection.execute(this.#isSavepoint ? 'release one' : 'commit')
    this.#connection.transactional = false
  }

  async rollbackTransaction(): Promise<void> {
    this.#connection.transactional = false
    // After a full disk or an I/O error SQLite may have rolled back everything by itself.
    if (!this.#connection.database.isTransaction) return
    this.#connection.execute(this.#isSavepoint ? 'rollback to one; release one' : 'rollback')
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    this.#connection[Symbol.dispose]()
  }
}

/** Query builder on the connection; destroying it closes the connection. */
export function kyselyOn(connection: SqliteConnection): Kysely<Database> {
  return new Kysely<Database>({
    dialect: {
      createAdapter: () => new SqliteConnectionAdapter(connection),
      createDriver: () => new SqliteDriver(connection),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  })
}
