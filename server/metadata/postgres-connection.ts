/** One connection to PostgreSQL through pg: statements go out as they come, without waiting for answers; answers in our own types and errors. */
import { Client, Query, type ClientConfig, type QueryResult as Answer } from 'pg'
import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'
import type { Timers } from '#lib/ports.ts'
import { ConnectionLostError, isStalePlan, ownError, StatementError } from './postgres-errors.ts'
import { bindValues, resultTypes, type StatementNames } from './postgres-statements.ts'

type Row = Record<string, unknown>

/** What a connection is made with. */
interface ConnectionTools {
  readonly names: StatementNames
  readonly timers: Pick<Timers, 'after'>
}

/** What a connection learns of its server when it is made. */
export interface ServerFacts {
  /** `host:port`, for the log. */
  readonly place: string
  readonly isStandby: boolean
  /** Changes when a standby is promoted: the same transaction id then may be another transaction. */
  readonly timeline: string
  /** The cluster's own number, the same on its standbys; empty where it is not told. */
  readonly system: string
  /** 150018 for 15.18. */
  readonly version: number
  readonly processId: number
}

/** How long a server may take to end a session that was taken leave of. */
const farewellMs = 2000

/** Owns the socket: who opens it closes it. */
export class PostgresConnection implements DatabaseConnection, AsyncDisposable {
  readonly #client: Client
  readonly #names: StatementNames
  readonly #timers: Pick<Timers, 'after'>
  #broken: Error | undefined
  #questions = 0
  #underWay = 0
  /** Number of what is waited for, another one after each answer; 0: nothing is. */
  question = 0
  /** Told by the connector after its first question. */
  facts: ServerFacts = { place: '', isStandby: false, timeline: '', system: '', version: 0, processId: 0 }
  /** Monotonic milliseconds, kept by the pool. */
  openedAt = 0
  usedAt = 0
  /** Called once when the connection ends, whoever ended it. */
  onEnd: () => void = () => undefined
  /** The COMMIT is on its way: what an error means from then on nobody knows. */
  isCommitSent = false
  /** Of the transaction under way. */
  transactionId = ''

  private constructor(client: Client, { names, timers }: ConnectionTools) {
    this.#client = client
    this.#names = names
    this.#timers = timers
    // One that waits in the pool hears here that its server is gone.
    client.on('error', (error) => this.#break(error))
    client.on('end', () => this.#break(new Error('the connection ended')))
  }

  /** Dials and logs in. Rejects with ConnectionLostError, also where the server refuses. */
  static async open(config: ClientConfig, tools: ConnectionTools): Promise<PostgresConnection> {
    const client = new Client({ ...config, pipeline: true, types: resultTypes as unknown as NonNullable<ClientConfig['types']> })
    const connection = new PostgresConnection(client, tools)
    try {
      await client.connect()
      return connection
    } catch (error) {
      connection.destroy()
      const own = ownError(error)
      throw own instanceof ConnectionLostError ? own : new ConnectionLostError(own.message, { cause: own })
    }
  }

  get isBroken(): boolean {
    return this.#broken !== undefined
  }

  async executeQuery<R>({ sql, parameters }: Pick<CompiledQuery, 'sql' | 'parameters'>): Promise<QueryResult<R>> {
    const { rows, rowCount, command } = await this.#send(sql, parameters)
    const changed = command === 'INSERT' || command === 'UPDATE' || command === 'DELETE' || command === 'MERGE'
    return changed ? { rows: rows as R[], numAffectedRows: BigInt(rowCount ?? 0) } : { rows: rows as R[] }
  }

  // oxlint-disable-next-line require-yield -- Kysely's interface asks for a generator; this one only refuses
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('a stream would hold a connection and a snapshot: page by key instead')
  }

  /** Statements without values, several in one round trip; the rows of the last that has any. */
  async script(sql: string): Promise<Row[]> {
    this.#begin()
    try {
      const answer = (await this.#client.query(sql)) as Answer<Row> | Answer<Row>[]
      const answers = Array.isArray(answer) ? answer : [answer]
      return answers.findLast(({ fields }) => fields.length > 0)?.rows ?? []
    } catch (error) {
      throw this.#translate(error)
    } finally {
      this.#answered()
    }
  }

  /** Throws where the server rolled back instead, which it says by the name of what it did. */
  async commit(): Promise<void> {
    this.#begin()
    try {
      const { command } = await this.#client.query('commit')
      if (command === 'COMMIT') return
    } catch (error) {
      throw this.#translate(error)
    } finally {
      this.#answered()
    }
    throw new StatementError('25P02', 'the transaction was rolled back by the database', undefined)
  }

  #begin(): void {
    if (this.#broken !== undefined) throw ownError(this.#broken)
    this.#underWay++
    this.question ||= ++this.#questions
  }

  #answered(): void {
    this.#underWay--
    this.question = this.#underWay === 0 ? 0 : ++this.#questions
  }

  async #send(sql: string, parameters: readonly unknown[]): Promise<Answer<Row>> {
    this.#begin()
    const { types, values } = bindValues(parameters)
    const name = this.#names.nameOf(sql, types)
    const { promise, resolve, reject } = Promise.withResolvers<Answer<Row>>()
    const settle = (error: Error | null, answer: unknown) =>
      error === null || error === undefined ? resolve(answer as Answer<Row>) : reject(error)
    const query = new Query({ text: sql, values, types: resultTypes, ...(name !== undefined && { name }) } as never, settle as never)
    // pg sends with Parse what stands here, and by then has made its result with the parsers above.
    Object.assign(query, { types })
    this.#client.query(query)
    try {
      return await promise
    } catch (error) {
      throw this.#translate(error)
    } finally {
      this.#answered()
    }
  }

  #translate(error: unknown): Error {
    const own = ownError(error)
    // Prepared under the same name it fails again; on another connection it does not.
    if (own instanceof ConnectionLostError || isStalePlan(own)) {
      this.#break(own)
      // What was sent behind it gets no answer, and something between here and the server may keep the socket open.
      this.destroy()
    }
    return own
  }

  #break(error: Error): void {
    if (this.#broken !== undefined) return
    this.#broken = error
    this.onEnd()
  }

  /** Ends at once; what is under way fails. */
  destroy(): void {
    this.#break(new ConnectionLostError('the connection is closed'))
    const { connection } = this.#client as unknown as { readonly connection: { readonly stream: { destroy(): void } } }
    connection.stream.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#broken !== undefined) return this.destroy()
    this.#break(new ConnectionLostError('the connection is closed'))
    // A server that is gone without a word never answers that either.
    using _limit = this.#timers.after(farewellMs, () => this.destroy())
    await this.#client.end().catch(() => undefined)
  }
}
