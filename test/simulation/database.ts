/**
 * The real SQLite, its schema and its group commit, on one connection of this thread: a transaction is an event whose commit and whose answer are two, so that
 * a crash falls before the one, between them, or after. What was committed is durable; a transaction that is open when its process dies is undone.
 *
 * One connection serves a whole run of seeds, emptied before each: preparing statements anew would cost more than all else.
 */
import type { Kysely } from 'kysely'
import type { Logger } from '#lib/logger.ts'
import type { Clock } from '#lib/ports.ts'
import type { Metadata, TransactionDefinition } from '#metadata/metadata.ts'
import { migrate } from '#metadata/migrate.ts'
import type { Database } from '#metadata/schema.ts'
import { SqliteConnection } from '#metadata/sqlite-connection.ts'
import { kyselyOn } from '#metadata/sqlite-dialect.ts'
import { unavailable } from '#metadata/sqlite-errors.ts'
import { runGroup, type GroupRunner, type WriteAnswer, type WriteRequest } from '#metadata/sqlite-group.ts'
import { openMemoryDatabase } from '#metadata/sqlite-open.ts'
import { WriteQueue } from '#metadata/write-queue.ts'

/** Fails where it is told to, as a disk would. */
class FaultyConnection extends SqliteConnection {
  fault: string | undefined

  override execute(sql: string): void {
    if (this.fault === sql) {
      this.fault = undefined
      throw unavailable(new Error(`simulated: ${sql} failed`))
    }
    super.execute(sql)
  }
}

/** When a group runs and when it is answered. The fault is what happens to this group. */
export type Turn = (what: 'commit' | 'answer') => Promise<'begin immediate' | 'commit' | 'answer lost' | undefined>

export class SimDatabase {
  readonly connection: FaultyConnection
  readonly #writer: Kysely<Database>
  readonly #reader: Kysely<Database>
  readonly #tables: readonly { readonly name: string; readonly rows: readonly Record<string, unknown>[] }[]
  #openGroup: Promise<void> | undefined
  /** Called after each group that was committed. */
  onCommit: () => void = () => undefined

  private constructor(connection: FaultyConnection, writer: Kysely<Database>) {
    this.connection = connection
    this.#writer = writer
    this.#reader = kyselyOn(new SqliteConnection(connection.database, () => this.#openGroup))
    const names = connection.database.prepare(`select name from sqlite_master where type = 'table' and name not like 'sqlite_%'`).all()
    this.#tables = names.map((row) => {
      const name = String(row['name'])
      return { name, rows: connection.database.prepare(`select * from "${name}"`).all() as Record<string, unknown>[] }
    })
  }

  static async make(): Promise<SimDatabase> {
    const connection = new FaultyConnection(openMemoryDatabase())
    const writer = kyselyOn(connection)
    await migrate(writer)
    return new SimDatabase(connection, writer)
  }

  /** As right after its migrations. */
  reset(): void {
    this.crash()
    const { database } = this.connection
    const hasSequence = database.prepare(`select count(*) as n from sqlite_master where name = 'sqlite_sequence'`).get()?.['n'] === 1
    database.exec('pragma foreign_keys = off; begin')
    for (const { name } of this.#tables) database.exec(`delete from "${name}"`)
    if (hasSequence) database.exec('delete from sqlite_sequence')
    for (const { name, rows } of this.#tables) {
      for (const row of rows) {
        const columns = Object.keys(row)
        const marks = columns.map(() => '?').join(', ')
        database
          .prepare(`insert into "${name}" (${columns.map((column) => `"${column}"`).join(', ')}) values (${marks})`)
          .run(...(Object.values(row) as never[]))
      }
    }
    database.exec('commit; pragma foreign_keys = on')
    this.onCommit = () => undefined
  }

  /** The process that wrote died: what it had not committed is gone. */
  crash(): void {
    this.connection.transactional = false
    this.connection.fault = undefined
    this.#openGroup = undefined
    if (this.connection.database.isTransaction) this.connection.database.exec('rollback')
  }

  /** As a process opens it. */
  open(turn: Turn, log: Logger, clock: Clock): Metadata {
    const queue = new WriteQueue(this.#runner(turn, clock), log, clock)
    return {
      dialect: 'sqlite',
      reader: this.#reader,
      write: <Input, Output>(definition: TransactionDefinition<Input, Output>, input: Input) => queue.write(definition, input),
      ping: async () => queue.assertWorking(),
      [Symbol.asyncDispose]: () => queue[Symbol.asyncDispose](),
    }
  }

  #runner(turn: Turn, clock: Clock): GroupRunner {
    const run = async (requests: readonly WriteRequest[]): Promise<readonly WriteAnswer[]> => {
      const fault = await turn('commit')
      if (fault === 'begin immediate' || fault === 'commit') this.connection.fault = fault
      const answers = await this.#runAlone(requests, clock)
      this.connection.fault = undefined
      this.onCommit()
      await turn('answer')
      if (fault === 'answer lost') throw unavailable(new Error('simulated: the writer died before it answered'))
      return answers
    }
    return { run, [Symbol.asyncDispose]: async () => undefined }
  }

  async #runAlone(requests: readonly WriteRequest[], clock: Clock): Promise<readonly WriteAnswer[]> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#openGroup = promise
    try {
      return await runGroup(this.connection, this.#writer, requests, { now: () => clock.now() })
    } finally {
      this.#openGroup = undefined
      resolve()
    }
  }
}
