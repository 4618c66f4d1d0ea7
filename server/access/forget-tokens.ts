/** Removes tokens that ended long ago: until then their owner sees in the list why something no longer works. */
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { deleteTokensEndedBefore } from '#metadata/tokens.ts'
import { transaction } from '#metadata/transaction.ts'

const shownEndedMs = 30 * 86_400_000
const batchRows = 500

// Nobody loses a right by it: what has ended gives none.
const deleteBatch = transaction(
  import.meta.url,
  'forget-tokens/delete-batch',
  (tx, input: { readonly at: number; readonly limit: number }) => deleteTokensEndedBefore(tx, input),
)

/** Says how many it removed. */
export async function forgetEndedTokens(
  { metadata, clock }: { readonly metadata: Metadata; readonly clock: Ports['clock'] },
  signal?: AbortSignal,
): Promise<number> {
  let forgotten = 0
  while (signal?.aborted !== true) {
    const count = await metadata.write(deleteBatch, { at: clock.now() - shownEndedMs, limit: batchRows })
    forgotten += count
    if (count < batchRows) break
  }
  return forgotten
}
