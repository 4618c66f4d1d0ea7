/** Runs transactions, again where another won or the session was lost, and finds out how a commit ended whose answer was lost. */
import type { Kysely } from 'kysely'
import type { Ports } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import type { TransactionDefinition } from './metadata.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import { writingKysely } from './postgres-dialect.ts'
import {
  codeOf,
  ConnectionLostError,
  isConflict,
  isHotStandby,
  isStalePlan,
  translatePostgresError,
  unavailable,
} from './postgres-errors.ts'
import type { PostgresPool } from './postgres-pool.ts'
import type { Database } from './schema.ts'
import { decodeValue, encodeValue } from './sqlite-group.ts'
import { findTransaction, type AnyTransaction } from './transaction.ts'

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
  readonly holdMs: number
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>
}

/** A transaction that lost so often meets a crowd that more patience does not thin out. */
const maximumConflicts = 60
const longestPauseMs = 250

interface Attempt {
  readonly definition: AnyTransaction
  readonly input: Uint8Array
  readonly deadline: number
}

/** Owns what is under way: {@link drain} waits for it. */
export class PostgresWriter {
  readonly #options: WriterOptions
  readonly #kyselys = new WeakMap<PostgresConnection, Kysely<Database>>()
  readonly #underWay = new Set<Promise<unknown>>()
  #closed = false

  constructor(options: WriterOptions) {
    this.#options = options
  }

  async write<Input, Output>(definition: TransactionDefinition<Input, Output>, input: Input): Promise<Output> {
    if (this.#closed) throw unavailable(new Error('the database is closed'))
    const deadline = this.#options.ports.clock.monotonic() + this.#options.holdMs
    // As bytes, as on SQLite: each attempt has an input of its own, and what cannot travel there is refused here too.
    const attempt = { definition: definition as AnyTransaction, input: encodeValue(input), deadline }
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
      if (outcome.isConflict && ++conflicts > maximumConflicts) throw this.#refused(outcome.error)
      await this.#pause(attempt, outcome, conflicts)
    }
  }

  /** What came of it, or why to do it again; throws what ends it. */
  async #tryOnce(attempt: Attempt): Promise<{ readonly output: unknown } | { readonly error: unknown; readonly isConflict: boolean }> {
    const { pool, notes, flush } = this.#options
    const connection = await pool.acquire(attempt.deadline).catch((error: unknown) => {
      throw this.#refused(error)
    })
    const made: { output?: unknown } = {}
    try {
      await this.#run(connection, attempt, made)
      return { output: made.output }
    } catch (error) {
      if (isConflict(error)) return { error, isConflict: true }
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

  async #run(connection: PostgresConnection, { definition, input }: Attempt, made: { output?: unknown }): Promise<void> {
    let kysely = this.#kyselys.get(connection)
    if (kysely === undefined) this.#kyselys.set(connection, (kysely = writingKysely(connection)))
    connection.isCommitSent = false
    await kysely.transaction().execute(async (tx) => {
      const output = encodeValue(await definition.run(tx, decodeValue(input)))
      made.output = decodeValue(output)
    })
  }

  async #pause(
    { deadline }: Attempt,
    { error, isConflict: isLost }: { error: unknown; isConflict: boolean },
    conflicts: number,
  ): Promise<void> {
    const { ports, notes } = this.#options
    if (isLost) notes.conflicts++
    if (ports.clock.monotonic() > deadline) throw this.#refused(error)
    // A lost session waits in the pool's line.
    if (!isLost) return
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
    { deadline }: Attempt,
    { error, made }: { readonly error: unknown; readonly made: { readonly output?: unknown } },
  ): Promise<{ readonly output: unknown } | { readonly error: unknown; readonly isConflict: boolean }> {
    const { pool, notes, ports } = this.#options
    const isUnknown = (cause: unknown) => {
      notes.unknown++
      return unavailable(new Error('the answer to a commit was lost: it may or may not be written', { cause }))
    }
    for (;;) {
      const connection = await pool.acquire(deadline).catch((cause: unknown) => {
        throw isUnknown(cause)
      })
      try {
        const status = await statusOf(connection, lost)
        if (status === 'committed') return { output: made.output }
        if (status === 'aborted') {
          notes.repeats++
          return { error, isConflict: false }
        }
        if (status !== 'in progress' || ports.clock.monotonic() > deadline) throw isUnknown(error)
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
