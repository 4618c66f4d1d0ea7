/** Forgets old events. */
import { deleteEventsBefore } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'

/** Rows in one transaction: some milliseconds, so that pushes do not wait for the janitor. */
const batchRows = 1000

const deleteBatch = transaction(
  import.meta.url,
  'prune-events/delete-batch',
  (tx, input: { readonly at: number; readonly limit: number }) => deleteEventsBefore(tx, input),
)

/** Deletes the events from before `before` (milliseconds since the epoch), batch by batch, and says how many. Stops between batches when aborted. */
export async function pruneEvents(
  metadata: Metadata,
  { before, signal }: { readonly before: number; readonly signal?: AbortSignal },
): Promise<number> {
  let deleted = 0
  while (!signal?.aborted) {
    const count = await metadata.write(deleteBatch, { at: before, limit: batchRows })
    deleted += count
    if (count < batchRows) break
  }
  return deleted
}
