/** Queries on `events`; what a row means is in the room `events`. */
import type { Insertable, Selectable } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import type { EventsTable } from './schema.ts'

/** An event as it is stored: `at` in milliseconds, digests as bytes, `detail` as JSON text. `eventFromRow` of the room `events` reads it. */
export type EventRow = Selectable<EventsTable>

/** Adds the event to the caller's transaction and gives its id. */
export async function insertEvent(tx: Transactor, row: Omit<Insertable<EventsTable>, 'id'>): Promise<number> {
  const { id } = await tx.insertInto('events').values(row).returning('id').executeTakeFirstOrThrow()
  return id
}

const after = prepare<{ id: number; limit: number }, EventRow>((db, param) =>
  db.selectFrom('events').selectAll().where('id', '>', param('id')).orderBy('id').limit(param('limit')),
)

/** The next events after `id`, in order. */
export async function eventsAfter(reader: Reader, id: number, limit: number): Promise<EventRow[]> {
  return await after(reader, { id, limit })
}

/** 0 when nothing happened yet. */
export async function newestEventId(reader: Reader): Promise<number> {
  const row = await reader.selectFrom('events').select('id').orderBy('id', 'desc').limit(1).executeTakeFirst()
  return row?.id ?? 0
}

/** Deletes up to `limit` of the oldest events from before `at`, and says how many. */
export async function deleteEventsBefore(tx: Transactor, { at, limit }: { readonly at: number; readonly limit: number }): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('events')
    .where('id', 'in', (db) => db.selectFrom('events').select('id').where('at', '<', at).orderBy('at').limit(limit))
    .executeTakeFirst()
  return Number(numDeletedRows)
}
