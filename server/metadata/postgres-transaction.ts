/**
 * One transaction on a session: how it begins, the statements in it, how it ends.
 *
 * Nobody waits for the answer to its beginning: what it reads first goes out right behind. What writes waits for that answer, for without a transaction
 * it would be written for good. Statements that do not need each other's answers may be sent together (together.ts).
 *
 * The turn: transactions that run READ COMMITTED take their own locks (push-locks.ts), which hold among each other. All others are SERIALIZABLE, which
 * PostgreSQL sees to, but among each other only. So the two kinds never run at the same time: each holds one table in a mode that its own kind may share
 * and the other may not. `lock table` looks at no data, so what a serializable transaction sees is as of after the lock. Whoever waits is served in order.
 */
import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'
import type { Isolation, Transactor } from './metadata.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import { writingKysely } from './postgres-dialect.ts'
import { codeOf } from './postgres-errors.ts'
import { openFlow } from './together.ts'

/** A table that only migrations write. The transaction's id comes with the answer, for the case that nobody hears how the commit ended. */
const begin: Readonly<Record<Isolation, string>> = {
  serializable: `begin isolation level serializable; lock table schema_level in share mode; select pg_current_xact_id()::text as id`,
  'read committed': `begin isolation level read committed; lock table schema_level in row exclusive mode; select pg_current_xact_id()::text as id`,
  snapshot: `begin isolation level repeatable read, read only; select pg_current_xact_id()::text as id`,
}

const transactionAborted = '25P02'

const ended = () => new Error('a statement came after the end of its transaction: await all of them')

/** Its owner ends it by {@link commit} or {@link rollback}. */
export class PostgresTransaction {
  readonly tx: Transactor
  readonly #connection: PostgresConnection
  readonly #begun: Promise<void>
  /** What nobody waits for but the commit. */
  readonly #tasks: readonly Promise<unknown>[]
  /** A statement waits for the beginning, and so do all after it, in their order. */
  #isWaitedFor = false
  #isEnded = false

  constructor(connection: PostgresConnection, { isolation, isHasty }: { readonly isolation: Isolation; readonly isHasty: boolean }) {
    this.#connection = connection
    connection.isCommitSent = false
    connection.transactionId = ''
    this.#begun = this.#begin(begin[isolation])
    // Whoever commits or rolls back hears of it.
    this.#begun.catch(() => undefined)
    this.tx = writingKysely((query) => this.#execute(query))
    this.#tasks = openFlow(this.tx, isHasty)
  }

  /** Throws where nothing was committed; `connection.isCommitSent` says whether that is sure. */
  async commit(): Promise<void> {
    await this.#begun
    this.#isEnded = true
    this.#connection.isCommitSent = true
    const committed = this.#connection.commit()
    // Where one of them failed there was nothing to commit any more, and it tells why.
    const outcomes = await Promise.allSettled([...this.#tasks, committed])
    const fault = outcomes.find((outcome) => outcome.status === 'rejected')
    if (fault !== undefined) throw fault.reason
  }

  /** Gives the error that counts: where it could not even begin, or a statement failed that nobody waited for, all else followed from that. */
  async rollback(error: unknown): Promise<unknown> {
    this.#isEnded = true
    const outcomes = await Promise.allSettled([this.#begun, ...this.#tasks])
    const first = outcomes.find((outcome) => outcome.status === 'rejected')
    const isConsequence = first !== undefined && (outcomes[0].status === 'rejected' || codeOf(error) === transactionAborted)
    const cause: unknown = isConsequence ? first.reason : error
    // After a commit that failed there is nothing to roll back, and a session that is lost has rolled back by itself.
    if (!this.#connection.isBroken) await this.#connection.script('rollback').catch(() => this.#connection.destroy())
    return cause
  }

  async #begin(statements: string): Promise<void> {
    const [row] = await this.#connection.script(statements)
    this.#connection.transactionId = typeof row?.['id'] === 'string' ? row['id'] : ''
  }

  async #execute<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#isEnded) throw ended()
    if (this.#isWaitedFor || !query.sql.startsWith('select')) {
      this.#isWaitedFor = true
      await this.#begun
      if (this.#isEnded) throw ended()
    }
    return await (this.#connection as DatabaseConnection).executeQuery<R>(query)
  }
}
