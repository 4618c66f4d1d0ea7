/** Brings the counters of usage together, so that reading them stays cheap, and sees who came near to a limit on the way. */
import type { Metadata } from '#metadata/metadata.ts'
import { lockFolding } from '#metadata/push-locks.ts'
import { transaction } from '#metadata/transaction.ts'
import { foldChanges, hasChanges } from '#metadata/usage-fold.ts'
import { noteLevels } from './quota-levels.ts'

/** Rows in one transaction: some 5 ms. */
const batchRows = 1_000

const fold = transaction(
  import.meta.url,
  'fold-usage/fold',
  async (tx, input: { readonly limit: number; readonly now: number }) => {
    await lockFolding(tx)
    const { changes, projectIds } = await foldChanges(tx, input.limit)
    await noteLevels(tx, projectIds, input.now)
    return changes
  },
  'read committed',
)

/** Folds what is there, batch by batch, until there is little left or the signal aborts; gives how many rows that were. */
export async function foldUsage(
  metadata: Pick<Metadata, 'reader' | 'write'>,
  { now, signal }: { readonly now: () => number; readonly signal?: AbortSignal | undefined },
): Promise<number> {
  let folded = 0
  if (!(await hasChanges(metadata.reader))) return folded
  for (;;) {
    const changes = await metadata.write(fold, { limit: batchRows, now: now() })
    folded += changes
    if (changes < batchRows || signal?.aborted === true) return folded
  }
}
