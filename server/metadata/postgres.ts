/**
 * PostgreSQL as {@link Metadata}: reads and writes each on a few sessions, writes SERIALIZABLE and done again when they lose against another.
 *
 * A transaction's function depends on `tx` and its input only, so doing it again is safe: after a conflict (40001, 40P01), after a session that was lost
 * before its COMMIT was sent, and after one lost later where the server says that nothing was written. No session is held over anything but one statement
 * or one transaction. While the server is away, who needs it waits (postgres-pool.ts).
 */
import type { PostgresTarget } from '#config/postgres-url.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { AwaySignal, Metadata, Reader, TransactionDefinition } from './metadata.ts'
import { migrate } from './migrate.ts'
import type { Migrations } from './migrations/all.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import { createConnector, passwordSource } from './postgres-connector.ts'
import { migratingKysely, readingKysely } from './postgres-dialect.ts'
import { ConnectionLostError, isStalePlan, translatePostgresError } from './postgres-errors.ts'
import { PostgresPool } from './postgres-pool.ts'
import { Presence } from './postgres-presence.ts'
import { StatementNames } from './postgres-statements.ts'
import { Timelines } from './postgres-timelines.ts'
import { probeMs, watchSessions } from './postgres-watch.ts'
import { PostgresWriter, type WriteNotes } from './postgres-writer.ts'

/** Where the database is and how patiently it is waited for. Times are milliseconds. */
export interface PostgresOptions {
  readonly target: PostgresTarget
  /** Read for each connection; instead of the password in the target. */
  readonly passwordFile?: string | undefined
  /** Sessions of this process, for reads and writes together. */
  readonly poolMaximum?: number
  /** How long a write, or a read, waits for a server that is away. */
  readonly holdMs?: number
  /** How many wait for it at once. */
  readonly holdRequests?: number
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random' | 'files'>
  readonly log: Logger
  /** All migrations of this program, unless a test says otherwise. */
  readonly migrations?: Migrations
  /** After how long without an answer the server is asked whether it is at work on a statement. */
  readonly answerMs?: number
}

const defaults = { poolMaximum: 10, holdMs: 40_000, holdRequests: 1000, answerMs: 2000 } as const

/** Opens the database, bringing it to this program's schema first. Throws `SchemaTooNewError` rather than touch a newer one. */
export async function openPostgres(options: PostgresOptions): Promise<PostgresMetadata> {
  const { target, ports, log, poolMaximum = defaults.poolMaximum, holdMs = defaults.holdMs } = options
  const names = new StatementNames()
  const password = passwordSource(target, options.passwordFile, ports.files.readFile)
  const timelines = new Timelines(ports.clock, log)
  const connecting = { target, password, files: ports.files, timers: ports.timers, names, timelines }
  const connector = createConnector(connecting)
  const presence = new Presence({ log, clock: ports.clock, maximumWaiting: options.holdRequests ?? defaults.holdRequests })
  const writes = Math.max(1, Math.floor(poolMaximum / 2))
  const pool = (kind: 'reads' | 'writes', maximum: number) =>
    new PostgresPool({ kind, connector, maximum, holdMs, presence, timelines, ports, log })
  const pools = { reads: pool('reads', Math.max(1, poolMaximum - writes)), writes: pool('writes', writes) }
  try {
    await migrateServer(() => connector.connect('reads'), options)
  } catch (error) {
    throw translateAtStart(error)
  }
  const sessions = () => [...pools.reads.sessions, ...pools.writes.sessions]
  const soon = createConnector({ ...connecting, target: { ...target, connectTimeoutMs: Math.min(target.connectTimeoutMs, probeMs) } })
  const watch = watchSessions({ sessions, connector: soon, presence, answerMs: options.answerMs ?? defaults.answerMs, ports })
  return new PostgresMetadata(pools, { presence, watch }, ports)
}

/** On a session of its own, which lets slow statements take their time. */
async function migrateServer(connect: () => Promise<PostgresConnection>, { migrations }: PostgresOptions): Promise<void> {
  const connection = await connect()
  try {
    await connection.script(
      'set default_transaction_read_only = off; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0',
    )
    await migrate(migratingKysely(connection), migrations)
  } finally {
    await connection[Symbol.asyncDispose]()
  }
}

/** Who starts it wants to read why, not that it may pass. */
function translateAtStart(error: unknown): Error {
  return error instanceof ConnectionLostError
    ? new Error(`PostgreSQL does not answer: ${error.message}`, { cause: error.cause })
    : (error as Error)
}

interface Pools {
  readonly reads: PostgresPool
  readonly writes: PostgresPool
}

interface Watched {
  readonly presence: Presence
  readonly watch: Disposable
}

/** What metrics show. */
interface PostgresFigures {
  readonly reads: PostgresPool['figures']
  readonly writes: PostgresPool['figures']
  readonly isAway: boolean
  readonly counts: Readonly<WriteNotes>
}

/** How often a read that loses its session is sent again; each time it waits for another. */
const readAttempts = 8

class PostgresMetadata implements Metadata {
  readonly dialect = 'postgres'
  readonly reader: Reader
  readonly away: AwaySignal
  readonly #pools: Pools
  readonly #watch: Disposable
  readonly #writer: PostgresWriter
  readonly #ports: PostgresOptions['ports']
  readonly notes: WriteNotes = { conflicts: 0, repeats: 0, refusals: 0, unknown: 0 }
  #closing: Promise<void> | undefined

  constructor(pools: Pools, { presence, watch }: Watched, ports: PostgresOptions['ports']) {
    this.#pools = pools
    this.#watch = watch
    this.away = presence
    this.#ports = ports
    this.reader = readingKysely((query) => this.#read((connection) => connection.executeQuery(query)))
    this.#writer = new PostgresWriter({ pool: pools.writes, flush: () => this.#flush(), notes: this.notes, ports })
  }

  write<Input, Output>(definition: TransactionDefinition<Input, Output>, input: Input): Promise<Output> {
    return this.#writer.write(definition, input)
  }

  async ping(): Promise<void> {
    await this.#read((connection) => connection.script('select 1'))
  }

  /** For metrics. */
  get figures(): PostgresFigures {
    return { reads: this.#pools.reads.figures, writes: this.#pools.writes.figures, isAway: this.away.isAway, counts: this.notes }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    await this.#writer.drain()
    this.#watch[Symbol.dispose]()
    await Promise.all([this.#pools.reads[Symbol.asyncDispose](), this.#pools.writes[Symbol.asyncDispose]()])
  }

  /** A server that turned out to only read: no session of it is worth keeping. */
  #flush(): void {
    this.#pools.reads.flush()
    this.#pools.writes.flush()
  }

  /** Reads change nothing, so one that lost its session is sent again. */
  async #read<T>(run: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    const since = this.#ports.clock.monotonic()
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#pools.reads.acquire({ since, isFirst: attempt > 1 })
      try {
        return await run(connection)
      } catch (error) {
        const again = error instanceof ConnectionLostError || isStalePlan(error)
        if (!again || attempt >= readAttempts) throw translatePostgresError(error)
      } finally {
        this.#pools.reads.release(connection)
      }
    }
  }
}

/** For commands and tests that look at a server beside Berth. */
export type { PostgresMetadata }
