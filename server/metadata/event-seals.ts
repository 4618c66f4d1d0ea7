/** Queries on `event_seals`; what a seal proves is in the room `events` (seal.ts). */
import type { Selectable } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import type { EventSealsTable } from './schema.ts'

/** A seal as it is stored. */
export type EventSeal = Selectable<EventSealsTable>

/** The newest; undefined before the first. */
export async function lastSeal(reader: Reader | Transactor): Promise<EventSeal | undefined> {
  return await reader.selectFrom('event_seals').selectAll().orderBy('last_id', 'desc').limit(1).executeTakeFirst()
}

/** The newest that is over no event after the one of that id. */
export async function lastSealThrough(reader: Reader, eventId: number): Promise<EventSeal | undefined> {
  return await reader
    .selectFrom('event_seals')
    .selectAll()
    .where('last_id', '<=', eventId)
    .orderBy('last_id', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** The next seals in the order of the events that they are over, after the event of that id. */
export async function sealsAfter(reader: Reader, lastEventId: number, limit: number): Promise<EventSeal[]> {
  return await reader.selectFrom('event_seals').selectAll().where('last_id', '>', lastEventId).orderBy('last_id').limit(limit).execute()
}

/** Adds a seal; false when another process has sealed from that event on. */
export async function insertSeal(tx: Transactor, seal: Omit<EventSeal, 'id'>): Promise<boolean> {
  const row = await tx
    .insertInto('event_seals')
    .values(seal)
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** The newest seal from before `at`; all its events are older still. */
export async function lastSealBefore(reader: Reader, at: number): Promise<EventSeal | undefined> {
  return await reader.selectFrom('event_seals').selectAll().where('at', '<', at).orderBy('last_id', 'desc').limit(1).executeTakeFirst()
}
