/**
 * Forgets old events: only sealed ones, whole seals at a time. The seals stay, so that the chain goes on over what is gone, and a record of the purge says
 * up to where rows are missing for a good reason; it is written before the first row goes.
 */
import { lastSealBefore } from '#metadata/event-seals.ts'
import { deleteEventsThrough, hasEventsThrough, newestEventOf } from '#metadata/events.ts'
import type { Metadata, Reader, Transactor } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { recordEvent } from './record.ts'

/** Rows in one transaction: some milliseconds, so that pushes do not wait for the janitor. */
const batchRows = 1000

/** Up to and with which event rows were purged; 0 before the first purge. Read from the newest record of a purge. */
export async function purgedThrough(reader: Reader | Transactor): Promise<number> {
  const purge = await newestEventOf(reader, 'audit.purged')
  const { lastId } = (purge === undefined ? {} : JSON.parse(purge.detail)) as { readonly lastId?: unknown }
  return Number.isSafeInteger(lastId) ? (lastId as number) : 0
}

interface Purge {
  readonly lastId: number
  /** Hash of the seal that ends there, in hexadecimal. */
  readonly seal: string
  readonly before: number
  readonly at: number
}

const announce = transaction(import.meta.url, 'prune-events/announce', async (tx, { lastId, seal, before, at }: Purge) => {
  if ((await purgedThrough(tx)) >= lastId || !(await hasEventsThrough(tx, lastId))) return
  const detail = { lastId, seal, before: new Date(before).toISOString() }
  await recordEvent(tx, { action: 'audit.purged', target: 'system', detail, at, actor: '', requestId: '' })
})

const deleteBatch = transaction(
  import.meta.url,
  'prune-events/delete-batch',
  (tx, input: { readonly id: number; readonly limit: number }) => deleteEventsThrough(tx, input),
)

/** Deletes the sealed events from before `before` (milliseconds since the epoch), batch by batch, and says how many. Stops between batches when aborted. */
export async function pruneEvents(
  metadata: Metadata,
  { before, now, signal }: { readonly before: number; readonly now: number; readonly signal?: AbortSignal },
): Promise<number> {
  const seal = await lastSealBefore(metadata.reader, before)
  if (seal === undefined) return 0
  await metadata.write(announce, { lastId: seal.last_id, seal: seal.hash.toString('hex'), before, at: now })
  let deleted = 0
  while (signal?.aborted !== true) {
    const count = await metadata.write(deleteBatch, { id: seal.last_id, limit: batchRows })
    deleted += count
    if (count < batchRows) break
  }
  return deleted
}
