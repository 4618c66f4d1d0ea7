/** Kysely over sessions of PostgreSQL: Kysely's own compiler, our drivers. */
import {
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely'
import type { PostgresConnection } from './postgres-connection.ts'
import type { Database } from './schema.ts'

/** One for all, so that prepared.ts builds each read once however many sessions run it. */
const adapter = new PostgresAdapter()

function kyselyWith(driver: Driver): Kysely<Database> {
  return new Kysely<Database>({
    dialect: {
      createAdapter: () => adapter,
      createDriver: () => driver,
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
}

type Execute = <R>(query: CompiledQuery) => Promise<QueryResult<R>>

/** Runs each query by itself, on whatever session is free. */
class ReadingDriver implements Driver {
  readonly #connection: DatabaseConnection

  constructor(execute: Execute) {
    this.#connection = {
      executeQuery: execute,
      // oxlint-disable-next-line require-yield -- Kysely's interface asks for a generator; this one only refuses
      async *streamQuery() {
        throw new Error('a stream would hold a connection and a snapshot: page by key instead')
      },
    }
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection
  }

  async beginTransaction(): Promise<void> {
    throw new Error('a reader has no transactions: write one with transaction()')
  }

  async commitTransaction(): Promise<void> {}

  async rollbackTransaction(): Promise<void> {}

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}

/** Query builder for reads. */
export function readingKysely(execute: Execute): Kysely<Database> {
  return kyselyWith(new ReadingDriver(execute))
}

/** Transactions on one session, which stays its owner's. */
class SessionDriver implements Driver {
  readonly #connection: PostgresConnection
  readonly #begin: string

  constructor(connection: PostgresConnection, begin: string) {
    this.#connection = connection
    this.#begin = begin
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection
  }

  async beginTransaction(): Promise<void> {
    this.#connection.isCommitSent = false
    const [row] = await this.#connection.script(this.#begin)
    this.#connection.transactionId = typeof row?.['id'] === 'string' ? row['id'] : ''
  }

  async commitTransaction(): Promise<void> {
    this.#connection.isCommitSent = true
    await this.#connection.commit()
  }

  async rollbackTransaction(): Promise<void> {
    // After a commit that failed there is nothing to roll back, and a session that is lost has rolled back by itself.
    if (this.#connection.isBroken) return
    await this.#connection.script('rollback').catch(() => this.#connection.destroy())
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}

/** How a write begins: its transaction's id comes with the same answer, for the case that nobody hears how the commit ended. */
const beginWrite = 'begin isolation level serializable; select pg_current_xact_id()::text as id'

/** Query builder for transactions that write. */
export function writingKysely(connection: PostgresConnection): Kysely<Database> {
  return kyselyWith(new SessionDriver(connection, beginWrite))
}

/** Query builder for migrations, which lock what they change and see what was committed before they had the lock. */
export function migratingKysely(connection: PostgresConnection): Kysely<Database> {
  return kyselyWith(new SessionDriver(connection, 'begin'))
}
