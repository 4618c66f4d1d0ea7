/** Kysely over sessions of PostgreSQL: Kysely's own compiler, our drivers. */
import {
  DefaultQueryExecutor,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  Transaction,
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
} from 'kysely'
import type { Transactor } from './metadata.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import type { Database } from './schema.ts'

/** One for all, so that prepared.ts builds each read once however many sessions run it. */
const adapter = new PostgresAdapter()

const dialectWith = (driver: Driver): Dialect => ({
  createAdapter: () => adapter,
  createDriver: () => driver,
  createIntrospector: (db) => new PostgresIntrospector(db),
  createQueryCompiler: () => new PostgresQueryCompiler(),
})

function kyselyWith(driver: Driver): Kysely<Database> {
  return new Kysely<Database>({ dialect: dialectWith(driver) })
}

type Execute = <R>(query: CompiledQuery) => Promise<QueryResult<R>>

/** Runs each query by itself, on whatever session is free. */
class ReadingDriver implements Driver {
  readonly connection: DatabaseConnection

  constructor(execute: Execute) {
    this.connection = {
      executeQuery: execute,
      // oxlint-disable-next-line require-yield -- Kysely's interface asks for a generator; this one only refuses
      async *streamQuery() {
        throw new Error('a stream would hold a connection and a snapshot: page by key instead')
      },
    }
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.connection
  }

  async beginTransaction(): Promise<void> {
    throw new Error('transactions are not begun here: write one with transaction()')
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

const compiler = new PostgresQueryCompiler()

/** Query builder of one transaction, which somebody else begins and ends. Each query is under way when the call comes back, so they keep their order. */
export function writingKysely(execute: Execute): Transactor {
  const driver = new ReadingDriver(execute)
  const dialect = dialectWith(driver)
  const connection = driver.connection
  const executor = new DefaultQueryExecutor(compiler, adapter, { provideConnection: (consumer) => consumer(connection) })
  return new Transaction<Database>({ config: { dialect }, driver, dialect, executor })
}

/** Transactions of migrations on one session, which stays its owner's. */
class SessionDriver implements Driver {
  readonly #connection: PostgresConnection

  constructor(connection: PostgresConnection) {
    this.#connection = connection
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection
  }

  async beginTransaction(): Promise<void> {
    await this.#connection.script('begin')
  }

  async commitTransaction(): Promise<void> {
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

/** Query builder for migrations, which lock what they change and see what was committed before they had the lock. */
export function migratingKysely(connection: PostgresConnection): Kysely<Database> {
  return kyselyWith(new SessionDriver(connection))
}
