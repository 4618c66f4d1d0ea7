/** Queries on `events`; what a row means is in the room `events`. */
import { sql, type Selectable, type SqlBool } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import { prepare, type PreparedRead } from './prepared.ts'
import type { EventsTable } from './schema.ts'

/** An event as it is stored: `at` in milliseconds, digests as bytes, `detail` as JSON text. `eventFromRow` of the room `events` reads it. */
export type EventRow = Selectable<EventsTable>

/** An event that is written down: all of it said. */
export type NewEventRow = Omit<EventRow, 'id'>

const columns = [
  ...([
    'at',
    'action',
    'repository',
    'digest',
    'tag',
    'actor',
    'request_id',
    'detail',
    'outcome',
    'reason',
    'project',
    'project_id',
  ] as const),
  ...(['target', 'actor_key', 'credential', 'address', 'user_agent', 'count'] as const),
] satisfies readonly (keyof NewEventRow)[]

const insertOne = prepare<NewEventRow, { id: number }>((db, param) =>
  db
    .insertInto('events')
    .values(Object.fromEntries(columns.map((column) => [column, param(column)])) as unknown as NewEventRow)
    .returning('id'),
)

/** Adds the event to the caller's transaction and gives its id. */
export async function insertEvent(tx: Transactor, row: NewEventRow): Promise<number> {
  const [inserted] = await insertOne(tx, row)
  if (inserted === undefined) throw new Error('the event got no id')
  return inserted.id
}

/** Reads the next events after an id, in order: all, or those with one of the actions. */
export function eventReader(actions?: readonly string[]): PreparedRead<{ readonly id: number; readonly limit: number }, EventRow> {
  return prepare<{ id: number; limit: number }, EventRow>((db, param) => {
    const next = db.selectFrom('events').selectAll().where('id', '>', param('id')).orderBy('id').limit(param('limit'))
    return actions === undefined ? next : next.where('action', 'in', actions)
  })
}

const after = eventReader()

/** The next events after `id`, in order. */
export async function eventsAfter(reader: Reader, id: number, limit: number): Promise<EventRow[]> {
  return await after(reader, { id, limit })
}

/** The next events after one id up to and with another, in order. */
export async function eventsBetween(
  reader: Reader | Transactor,
  range: { readonly after: number; readonly through: number; readonly limit: number },
): Promise<EventRow[]> {
  return await reader
    .selectFrom('events')
    .selectAll()
    .where('id', '>', range.after)
    .where('id', '<=', range.through)
    .orderBy('id')
    .limit(range.limit)
    .execute()
}

const newest = prepare<Record<never, never>, { id: number }>((db) => db.selectFrom('events').select('id').orderBy('id', 'desc').limit(1))

/** 0 when nothing happened yet. */
export async function newestEventId(reader: Reader): Promise<number> {
  const [row] = await newest(reader, {})
  return row?.id ?? 0
}

/** The newest event of that action. */
export async function newestEventOf(reader: Reader | Transactor, action: string): Promise<EventRow | undefined> {
  return await reader.selectFrom('events').selectAll().where('action', '=', action).orderBy('id', 'desc').limit(1).executeTakeFirst()
}

/** Revocations that are looked through: a secret that was revoked before so many others is as good as unknown. */
const revocationsMax = 1_000

/** The newest record of that action about a secret that begins so. */
export async function revocationOf(
  reader: Reader,
  { action, hint }: { readonly action: 'token.revoked' | 'robot.secret-revoked'; readonly hint: string },
): Promise<Pick<EventRow, 'target' | 'detail'> | undefined> {
  const newest = await reader
    .selectFrom('events')
    .select(['target', 'detail'])
    .where('action', '=', action)
    .orderBy('id', 'desc')
    .limit(revocationsMax)
    .execute()
  return newest.find(({ target, detail }) => target === `token:${hint}` || detail.includes(`"hint":${JSON.stringify(hint)}`))
}

/** Whether there is an event up to and with that id. */
export async function hasEventsThrough(reader: Reader | Transactor, id: number): Promise<boolean> {
  const row = await reader.selectFrom('events').select('id').where('id', '<=', id).limit(1).executeTakeFirst()
  return row !== undefined
}

/** Deletes up to `limit` of the oldest events up to and with that id, and says how many. */
export async function deleteEventsThrough(tx: Transactor, { id, limit }: { readonly id: number; readonly limit: number }): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('events')
    .where('id', 'in', (db) => db.selectFrom('events').select('id').where('id', '<=', id).orderBy('id').limit(limit))
    .executeTakeFirst()
  return Number(numDeletedRows)
}

/** What a list is narrowed to; all that is given must fit. Instants are milliseconds. */
export interface EventFilter {
  /** Exact, or with `*` at its end everything that begins so: `tag.*`. */
  readonly action?: string | undefined
  readonly actor?: string | undefined
  readonly outcome?: 'success' | 'failure' | undefined
  /** By the name that it had then. */
  readonly project?: string | undefined
  /** Whatever it was called. */
  readonly projectId?: number | undefined
  readonly repository?: string | undefined
  readonly address?: string | undefined
  /** One of these. */
  readonly addresses?: readonly string[] | undefined
  readonly credential?: string | undefined
  readonly reason?: string | undefined
  readonly requestId?: string | undefined
  readonly target?: string | undefined
  readonly since?: number | undefined
  /** Exclusive. */
  readonly until?: number | undefined
}

/**
 * A page by id. Filters have an index that ends in the id, so the page reads little more than it shows. An action with `*` is asked for action by action: an
 * index that is read in the order of ids is over one value.
 */
export async function listEvents(reader: Reader, filter: EventFilter, page: PageRequest<'id'>): Promise<Page<EventRow>> {
  const times = await boundsOf(reader, filter)
  const rows: EventRow[] = []
  for (const action of await actionsOf(reader, filter.action)) {
    rows.push(...(await selectEvents(reader, { ...filter, ...times, action }, page).execute()))
  }
  const inOrder = rows.toSorted((one, other) => (page.isDescending ? other.id - one.id : one.id - other.id))
  return pageFrom(inOrder, page, (row) => row.id)
}

/** What reads a page of one action, or of all. */
export function selectEvents(reader: Reader, filter: EventFilter & Partial<Bounds>, page: PageRequest<'id'>): Listing {
  return paged(within(narrow(selectAllEvents(reader), filter), filter), page, { column: 'id', id: 'id' })
}

/** The actions that are there and fit; a value that is none of them for a filter without. One step of the index for each, however many rows there are. */
async function actionsOf(reader: Reader, wanted: string | undefined): Promise<readonly (string | undefined)[]> {
  if (wanted?.endsWith('*') !== true) return [wanted]
  const prefix = wanted.slice(0, -1)
  const found: string[] = []
  let query = reader.selectFrom('events').select('action').where('action', '>=', prefix)
  for (;;) {
    const row = await query.orderBy('action').limit(1).executeTakeFirst()
    if (row === undefined || !row.action.startsWith(prefix)) return found
    found.push(row.action)
    query = reader.selectFrom('events').select('action').where('action', '>', row.action)
  }
}

const selectAllEvents = (reader: Reader) => reader.selectFrom('events').selectAll()
type Listing = ReturnType<typeof selectAllEvents>

function narrow(all: Listing, filter: EventFilter): Listing {
  let query = all
  for (const column of ['action', 'actor', 'project', 'repository', 'address', 'target'] as const) {
    const wanted = filter[column]
    if (wanted !== undefined) query = query.where(column, '=', wanted)
  }
  const { outcome, projectId, addresses, credential, reason, requestId } = filter
  // The second condition is that of the index.
  if (credential !== undefined) query = query.where('credential', '=', credential).where('credential', '<>', sql.lit(''))
  if (reason !== undefined) query = query.where('reason', '=', reason).where('reason', '<>', sql.lit(''))
  if (requestId !== undefined)
    query = query.where('request_id', '=', requestId).where(sql<SqlBool>`substr(request_id, 1, 8) = ${requestId.slice(0, 8)}`)
  if (addresses !== undefined) query = query.where('address', 'in', [...addresses])
  if (projectId !== undefined) query = query.where('project_id', '=', projectId)
  // As a literal, by which the planner knows that the index of failures serves.
  if (outcome !== undefined) query = query.where(sql<SqlBool>`outcome = ${sql.lit(outcome)}`)
  return query
}

/** The addresses that records have, of those that begin so: up to `limit`. Read from the index. */
export async function addressesBeginning(reader: Reader, prefix: string, limit: number): Promise<readonly string[]> {
  let query = reader.selectFrom('events').select('address').distinct().where('address', '<>', '')
  // Addresses are digits, letters, dots and colons.
  if (prefix !== '') query = query.where('address', '>=', prefix).where('address', '<', `${prefix}~`)
  return (await query.limit(limit).execute()).map(({ address }) => address)
}

/** Aggregated happenings are written some seconds after they happened; so much later than others that happened with them at the very most. */
const writtenLateMs = 10 * 60_000

interface Bounds extends Pick<EventFilter, 'since' | 'until'> {
  readonly firstId: number | undefined
  readonly lastId: number | undefined
}

/** Bounds of the id from the index by time, so that an old day is found without reading all days since. */
async function boundsOf(reader: Reader, { since, until }: EventFilter): Promise<Bounds> {
  const firstId = since === undefined ? undefined : await eventBefore(reader, since - writtenLateMs)
  const lastId = until === undefined ? undefined : await eventAround(reader, until + writtenLateMs)
  return { since, until, firstId, lastId }
}

function within(all: Listing, { since, until, firstId, lastId }: Partial<Bounds>): Listing {
  let query = all
  if (since !== undefined) query = query.where('at', '>=', since)
  if (until !== undefined) query = query.where('at', '<', until)
  if (firstId !== undefined) query = query.where('id', '>=', firstId)
  if (lastId !== undefined) query = query.where('id', '<=', lastId)
  return query
}

/**
 * The id of the last event before then: whatever happened `writtenLateMs` later was written behind it. The first event from then on would not do: it may itself
 * have been written late, behind others that happened after it.
 */
async function eventBefore(reader: Reader, at: number): Promise<number | undefined> {
  const row = await reader.selectFrom('events').select('id').where('at', '<', at).orderBy('at', 'desc').limit(1).executeTakeFirst()
  return row?.id
}

/** The id of the first event from then on. */
async function eventAround(reader: Reader, at: number): Promise<number | undefined> {
  const row = await reader.selectFrom('events').select('id').where('at', '>=', at).orderBy('at').limit(1).executeTakeFirst()
  return row?.id
}
