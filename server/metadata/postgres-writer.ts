/** Runs transactions, again where another won or the session was lost, and finds out how a commit ended whose answer was lost. */
import type { Ports } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import type { TransactionDefinition } from './metadata.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import {
  codeOf,
  ConnectionLostError,
  isConflict,
  isHotStandby,
  isStalePlan,
  isTaken,
  translatePostgresError,
  unavailable,
} from './postgres-errors.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { PostgresTransaction } from './postgres-transaction.ts'
import { decodeValue, encodeValue } from './sqlite-group.ts'
import { findTransaction, type AnyTransaction } from './transaction.ts'
import { openWait } from './write-wait.ts'

/** What happened to writes, counted. */
export interface WriteNotes {
  /** Transactions that lost against another and began again. */
  conflicts: number
  /** Transactions that began again on another session. */
  repeats: number
  /** Writes that waited in vain. */
  refusals: number
  /** Writes of which it is not known whether they were committed. */
  unknown: number
}

/** Times are milliseconds. */
export interface WriterOptions {
  readonly pool: PostgresPool
  /** Called when a server turned out to only read. */
  readonly flush: () => void
  readonly notes: WriteNotes
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>
}

/** A transaction that lost so often meets a crowd that more patience does not thin out. */
const maximumConflicts = 60
const longestPauseMs = 250
/** Of a statement that is a check (together.ts). */
const refusedInHaste = '22P02'
/** Rows that others made first are found the next time: more often it is a fault of ours. */
const maximumTaken = 5

interface Attempt {
  readonly definition: AnyTransaction
  readonly input: Uint8Array
  /** Since when it waits, by the monotonic clock. */
  readonly since: number
  /** The same by the wall clock. */
  readonly queuedAt: number
  /** Repeats come before who stands in line. */
  isRepeat: boolean
  /** A check that is a statement did not pass: its answer is wanted. */
  isStrict: boolean
}

/** Why a transaction begins again: it lost against another, or its session is gone. */
interface Again {
  readonly error: unknown
  readonly isConflict: boolean
}

interface Done {
  readonly output: unknown
}

/** Owns what is under way: {@link drain} waits for it. */
export class PostgresWriter {
  readonly #options: WriterOptions
  readonly #underWay = new Set<Promise<unknown>>()
  #closed = false

  constructor(options: WriterOptions) {
    this.#options = options
  }

  async write<Input, Output>(definition: TransactionDefinition<Input, Output>, input: Input): Promise<Output> {
    if (this.#closed) throw unavailable(new Error('the database is closed'))
    const { clock } = this.#options.ports
    const [since, queuedAt] = [clock.monotonic(), clock.now()]
    // As bytes, as on SQLite: each attempt has an input of its own, and what cannot travel there is refused here too.
    const own = { since, queuedAt, isRepeat: false, isStrict: false }
    const attempt: Attempt = { definition: definition as AnyTransaction, input: encodeValue(input), ...own }
    const writing = this.#repeat(attempt)
    this.#underWay.add(writing)
    try {
      return (await writing) as Output
    } finally {
      this.#underWay.delete(writing)
    }
  }

  /** Accepts nothing more and resolves when all that was accepted is answered. */
  async drain(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#underWay)
  }

  async #repeat(attempt: Attempt): Promise<unknown> {
    await findTransaction(attempt.definition.moduleUrl, attempt.definition.name)
    for (let conflicts = 0; ;) {
      const outcome = await this.#tryOnce(attempt)
      if ('output' in outcome) return outcome.output
      attempt.isRepeat = true
      if (!outcome.isConflict) continue
      conflicts++
      if (conflicts > (isTaken(outcome.error) ? maximumTaken : maximumConflicts)) throw this.#refused(outcome.error)
      await this.#pause(conflicts)
    }
  }

  /** What came of it, or why to do it again; throws what ends it. */
  async #tryOnce(attempt: Attempt): Promise<Done | Again> {
    const { pool, notes, flush } = this.#options
    const connection = await pool.acquire({ since: attempt.since, isFirst: attempt.isRepeat }).catch((error: unknown) => {
      throw this.#refused(error)
    })
    const made: { output?: unknown } = {}
    try {
      await this.#run(connection, attempt, made)
      return { output: made.output }
    } catch (error) {
      if (this.#isHasty(attempt) && codeOf(error) === refusedInHaste) {
        attempt.isStrict = true
        return { error, isConflict: false }
      }
      if (isConflict(error) || (isTaken(error) && attempt.definition.isolation === 'read committed')) return { error, isConflict: true }
      if (readsOnly(error)) flush()
      else if (connection.isCommitSent && error instanceof ConnectionLostError)
        return await this.#findOut(connection, attempt, { error, made })
      if (!(error instanceof ConnectionLostError) && !isStalePlan(error)) throw translatePostgresError(error)
      notes.repeats++
      return { error, isConflict: false }
    } finally {
      pool.release(connection)
    }
  }

  #isHasty({ definition, isStrict }: Attempt): boolean {
    return definition.isolation === 'read committed' && !isStrict
  }

  async #run(connection: PostgresConnection, attempt: Attempt, made: { output?: unknown }): Promise<void> {
    const { definition, input, queuedAt } = attempt
    const transaction = new PostgresTransaction(connection, { isolation: definition.isolation, isHasty: this.#isHasty(attempt) })
    openWait(transaction.tx, { queuedAt, now: () => this.#options.ports.clock.now() })
    try {
      const output = encodeValue(await definition.run(transaction.tx, decodeValue(input)))
      made.output = decodeValue(output)
      await transaction.commit()
    } catch (error) {
      throw await transaction.rollback(error)
    }
  }

  /** Without a session: those who won need it. */
  async #pause(conflicts: number): Promise<void> {
    const { ports, notes } = this.#options
    notes.conflicts++
    const longest = Math.min(longestPauseMs, 2 ** Math.min(conflicts, 12))
    await ports.timers.sleep((longest * ports.random.bytes(1).readUInt8()) / 256)
  }

  #refused(error: unknown): Error {
    const own = translatePostgresError(error)
    if (own instanceof RegistryError && own.code === 'UNAVAILABLE') this.#options.notes.refusals++
    return own
  }

  /** The answer to COMMIT is lost: asks the server how the transaction ended, where it is still the same history. */
  async #findOut(
    lost: PostgresConnection,
    { since }: Attempt,
    { error, made }: { readonly error: unknown; readonly made: { readonly output?: unknown } },
  ): Promise<Done | Again> {
    const { pool, notes, ports } = this.#options
    const isUnknown = (cause: unknown) => {
      notes.unknown++
      return unavailable(new Error('the answer to a commit was lost: it may or may not be written', { cause }))
    }
    for (;;) {
      const connection = await pool.acquire({ since, isFirst: true }).catch((cause: unknown) => {
        throw isUnknown(cause)
      })
      try {
        const status = await statusOf(connection, lost)
        if (status === 'committed') return { output: made.output }
        if (status === 'aborted') {
          notes.repeats++
          return { error, isConflict: false }
        }
        if (status !== 'in progress' || pool.hasWaited(since)) throw isUnknown(error)
      } catch (cause) {
        if (!(cause instanceof ConnectionLostError)) throw cause
      } finally {
        pool.release(connection)
      }
      await ports.timers.sleep(longestPauseMs)
    }
  }
}

/** `in progress`, `committed`, `aborted`, or undefined where nobody can tell. After a promotion the same id may be another transaction. */
async function statusOf(connection: PostgresConnection, lost: PostgresConnection): Promise<string | undefined> {
  if (lost.transactionId === '' || connection.facts.timeline !== lost.facts.timeline) return undefined
  try {
    const [row] = await connection.script(`select pg_xact_status('${BigInt(lost.transactionId)}'::xid8) as status`)
    return typeof row?.['status'] === 'string' ? row['status'] : undefined
  } catch (error) {
    if (error instanceof ConnectionLostError) throw error
    return undefined
  }
}

function readsOnly(error: unknown): boolean {
  return error instanceof ConnectionLostError && (codeOf(error.cause) === '25006' || isHotStandby(error.cause))
}
