/**
 * Up to which id all events are decided: committed, or never to come.
 *
 * SQLite's one writer commits ids in order. On PostgreSQL an id is drawn before its transaction commits, so a larger id may be seen first; who keeps a
 * place in the table by id would pass over the smaller one for ever. Every writing transaction has its own id from its first statement on, so: what was
 * drawn so far belongs to transactions below the next transaction id, and is decided when all of those have ended. Those of other databases draw none here:
 * what another program leaves open for hours in the same cluster holds up nothing.
 */
import { sql } from 'kysely'
import { dialectOf } from './dialect.ts'
import type { Reader } from './metadata.ts'

/** Drawn so far, and the transaction id below which all who drew it are. */
interface Candidate {
  readonly lastId: number
  readonly bound: bigint
}

/** Of one process. Asked again, it goes on from what it knew. */
export class SettledEvents {
  readonly #reader: Reader
  #settled = 0
  #candidate: Candidate | undefined

  constructor(reader: Reader) {
    this.#reader = reader
  }

  /** All events up to and with this id are decided; `Infinity` where that is so for whatever can be read. */
  async through(): Promise<number> {
    if (dialectOf(this.#reader) === 'sqlite') return Infinity
    if (this.#candidate === undefined) await this.#begin()
    else this.#end(await this.#oldest())
    return this.#settled
  }

  /** Whether events were drawn that were not decided when it was last asked. */
  get isWaiting(): boolean {
    return this.#candidate !== undefined
  }

  async #begin(): Promise<void> {
    const lastId = await this.#lastDrawn()
    if (lastId <= this.#settled) return
    // After the ids: whoever drew one of them has a transaction id below this one.
    const { rows } = await sql<{ bound: string; oldest: string }>`
      select pg_current_xact_id()::text as bound, pg_snapshot_xmin(pg_current_snapshot())::text as oldest`.execute(this.#reader)
    const [row] = rows
    if (row === undefined) return
    this.#candidate = { lastId, bound: BigInt(row.bound) }
    this.#end(BigInt(row.oldest))
    if (this.isWaiting) this.#end(await this.#oldest())
  }

  #end(oldest: bigint): void {
    if (this.#candidate === undefined || oldest < this.#candidate.bound) return
    this.#settled = Math.max(this.#settled, this.#candidate.lastId)
    this.#candidate = undefined
  }

  async #lastDrawn(): Promise<number> {
    const { rows } = await sql<{ last: number | null }>`
      select case when is_called then last_value end as last from events_id_seq`.execute(this.#reader)
    return rows[0]?.last ?? 0
  }

  /**
   * The oldest transaction id of this database that is still open, or the one that none below is. The list of sessions is looked at after the snapshot: who
   * is in that but no longer in the list has ended. Sessions of which this user may not see the transaction could have any.
   */
  async #oldest(): Promise<bigint> {
    const { rows } = await sql<{ oldest: string }>`
      with here as materialized (
        select backend_xid, query = '<insufficient privilege>' as is_hidden from pg_stat_get_activity(null)
          where datid = (select oid from pg_database where datname = current_database()))
      select coalesce(
        (select each from pg_snapshot_xip(pg_current_snapshot()) as open(each)
          where exists (select from here where is_hidden or backend_xid = each::xid) order by each limit 1),
        pg_snapshot_xmax(pg_current_snapshot()))::text as oldest`.execute(this.#reader)
    return BigInt(rows[0]?.oldest ?? 0)
  }
}
