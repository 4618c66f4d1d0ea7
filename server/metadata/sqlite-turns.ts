/**
 * Turns of several processes that write to one database.
 *
 * SQLite's own wait for a lock sleeps longer each time, up to 100 ms, while whoever has it may take it again at once: with four writers a commit then
 * waits half a second. The way: ask again in short, even steps, and give way for one of them where others were met lately. (Measured on two shared cores, 16 senders:
 * four processes p99 548 ms with SQLite's wait; see docs/guides/high-availability.md for what this gives.)
 */
import type { SqliteConnection } from './sqlite-connection.ts'
import { isBusy, translateSqliteError } from './sqlite-errors.ts'

/** A commit takes about as long. */
const stepMs = 0.7
/** Others are there for so long after they were met. */
const companyMs = 100

const never = new Int32Array(new SharedArrayBuffer(4))

/** Begins writing transactions on one connection, whose own wait is switched off. It blocks its thread while it waits. */
export class WriteTurns {
  readonly #connection: SqliteConnection
  readonly #patienceMs: number
  #metAt = Number.NEGATIVE_INFINITY

  constructor(connection: SqliteConnection, patienceMs: number) {
    this.#connection = connection
    this.#patienceMs = patienceMs
    connection.execute('pragma busy_timeout = 0')
  }

  /** Throws UNAVAILABLE when others had the database for all of the patience. */
  begin(): void {
    const startedAt = performance.now()
    if (startedAt - this.#metAt < companyMs) pause()
    for (;;) {
      try {
        this.#connection.database.exec('begin immediate')
        return
      } catch (error) {
        if (!isBusy(error) || performance.now() - startedAt >= this.#patienceMs) throw translateSqliteError(error)
        this.#metAt = performance.now()
        pause()
      }
    }
  }
}

function pause(): void {
  Atomics.wait(never, 0, 0, stepMs)
}
