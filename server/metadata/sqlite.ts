/**
 * SQLite as {@link Metadata}: reads on the calling thread, writes in a thread of their own, many in one commit.
 *
 * A commit waits for the disk (0.1 to 5 ms), so it must not happen on the event loop; a read of an indexed row takes microseconds, less than a
 * message to another thread, and readers of a WAL never wait for the writer. So: one read-only connection here, one writer in a worker
 * (sqlite-writer.ts), group commit between (write-queue.ts, sqlite-group.ts). A write that resolved is seen by every later read.
 *
 * `:memory:` runs the same groups on one connection in this thread: a second connection could not see a private database in memory, SQLite's shared
 * cache locks whole tables, and a temporary file would outlive a kill. Reads wait there while a group is open, so they see only commits.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Kysely } from 'kysely'
import type { Logger } from '#lib/logger.ts'
import type { Clock, Ports } from '#lib/ports.ts'
import type { Metadata, Reader, TransactionDefinition } from './metadata.ts'
import { migrate } from './migrate.ts'
import type { Migrations } from './migrations/all.ts'
import type { Database } from './schema.ts'
import { SqliteConnection } from './sqlite-connection.ts'
import { kyselyOn } from './sqlite-dialect.ts'
import { isBusy, translateSqliteError } from './sqlite-errors.ts'
import { runGroup, type GroupRunner } from './sqlite-group.ts'
import { closeWriter, openMemoryDatabase, openReader, openWriter } from './sqlite-open.ts'
import { transactionModules } from './transaction.ts'
import { WriteQueue } from './write-queue.ts'
import { WriterThread } from './writer-thread.ts'

/** Which file, and how patiently. Times are milliseconds. */
export interface SqliteOptions {
  /** Absolute path, or `:memory:`. Its directory exists. */
  readonly file: string
  readonly ports: Pick<Ports, 'clock' | 'timers'>
  readonly log: Logger
  /** How long a write waits for another process (a command of the CLI) that writes; then UNAVAILABLE. */
  readonly busyTimeoutMs?: number
  /** All migrations of this program, unless a test says otherwise. */
  readonly migrations?: Migrations
}

const defaultBusyTimeoutMs = 10_000
const busyRetryMs = 20

/** Opens the database, creating it or bringing it to this program's schema first. Throws `SchemaTooNewError` rather than touch a newer one. */
export async function openSqlite(options: SqliteOptions): Promise<Metadata> {
  return options.file === ':memory:' ? await openMemory(options) : await openFile(options)
}

async function openFile(options: SqliteOptions): Promise<Metadata> {
  const { file, log, ports, busyTimeoutMs = defaultBusyTimeoutMs } = options
  try {
    await migrateFile(options, busyTimeoutMs)
    const connection = new SqliteConnection(openReader(file))
    const writer = new WriterThread({ file, busyTimeoutMs, ports, log })
    return new SqliteMetadata(connection, new WriteQueue(writer, log, ports.clock), () => writer.preload(transactionModules()))
  } catch (error) {
    throw translateSqliteError(error)
  }
}

/** Where SQLite sees that waiting could last for ever (two processes that make one database, say) it does not wait: then we try again. */
async function migrateFile({ file, migrations, ports }: SqliteOptions, busyTimeoutMs: number): Promise<void> {
  const startedAt = ports.clock.monotonic()
  for (;;) {
    try {
      using connection = new SqliteConnection(openWriter({ file, busyTimeoutMs, mayCreate: true }))
      return await migrate(kyselyOn(connection), migrations)
    } catch (error) {
      if (!isBusy(error) || ports.clock.monotonic() - startedAt > busyTimeoutMs) throw error
      await ports.timers.sleep(busyRetryMs)
    }
  }
}

async function openMemory({ log, migrations, ports }: SqliteOptions): Promise<Metadata> {
  const database = openMemoryDatabase()
  const runner = new MemoryRunner(database, ports.clock)
  await migrate(runner.writer, migrations)
  return new SqliteMetadata(new SqliteConnection(database, () => runner.openGroup), new WriteQueue(runner, log, ports.clock))
}

/** Groups on the connection that the reader uses too. */
class MemoryRunner implements GroupRunner {
  readonly writer: Kysely<Database>
  readonly #connection: SqliteConnection
  readonly #clock: Clock
  /** Settles when the open group is committed. */
  openGroup: Promise<void> | undefined

  constructor(database: DatabaseSync, clock: Clock) {
    this.#clock = clock
    this.#connection = new SqliteConnection(database)
    this.writer = kyselyOn(this.#connection)
  }

  async run(requests: Parameters<GroupRunner['run']>[0]): ReturnType<GroupRunner['run']> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.openGroup = promise
    try {
      return await runGroup(this.#connection, this.writer, requests, { now: () => this.#clock.now() })
    } finally {
      this.openGroup = undefined
      resolve()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeWriter(this.#connection.database)
  }
}

class SqliteMetadata implements Metadata {
  readonly dialect = 'sqlite'
  readonly reader: Reader
  readonly #connection: SqliteConnection
  readonly #queue: WriteQueue
  /** In memory transactions run where they are defined. */
  readonly preload: () => void
  #closing: Promise<void> | undefined

  constructor(connection: SqliteConnection, queue: WriteQueue, preload: () => void = () => undefined) {
    this.#connection = connection
    this.reader = kyselyOn(connection)
    this.#queue = queue
    this.preload = preload
  }

  write<Input, Output>(definition: TransactionDefinition<Input, Output>, input: Input): Promise<Output> {
    return this.#queue.write(definition, input)
  }

  async ping(): Promise<void> {
    this.#queue.assertWorking()
    await this.#connection.query('select 1 from projects limit 1', [])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    await this.#queue.drain()
    // The reader first: the writer's last checkpoint takes the log away only when nobody reads it.
    await this.reader.destroy()
    this.#connection[Symbol.dispose]()
    await this.#queue[Symbol.asyncDispose]()
  }
}
