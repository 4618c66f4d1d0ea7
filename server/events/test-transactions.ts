/** Transactions of the tests, in a module of their own: the writer thread loads it. */
import { sql } from 'kysely'
import { transaction } from '#metadata/transaction.ts'
import type { Event } from './event.ts'
import { recordEvent } from './record.ts'

/** Records events in one transaction. */
export const recordAll = transaction(import.meta.url, 'test-events/record-all', async (tx, events: readonly Event[]) => {
  const ids: number[] = []
  for (const event of events) ids.push(await recordEvent(tx, event))
  return ids
})

/** Records events, then fails. */
export const recordAndFail = transaction(import.meta.url, 'test-events/record-and-fail', async (tx, events: readonly Event[]) => {
  for (const event of events) await recordEvent(tx, event)
  throw new Error('failed after recording')
})

/** Records an event, and takes its time before it commits. Of PostgreSQL. */
export const recordSlowly = transaction(
  import.meta.url,
  'test-events/record-slowly',
  async (tx, { event, seconds }: { readonly event: Event; readonly seconds: number }) => {
    const id = await recordEvent(tx, event)
    await sql`select pg_sleep(${seconds})`.execute(tx)
    return id
  },
)

/** An event as a process of another version may write it. */
export const recordUnknown = transaction(import.meta.url, 'test-events/record-unknown', async (tx) => {
  const row = { at: 1, action: 'moon.landed', repository: null, digest: null, tag: null, actor: '', request_id: '', detail: '{}' }
  await tx.insertInto('events').values(row).execute()
})
