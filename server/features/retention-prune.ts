/** Forgets what old runs decided, in steps: a run may have decided over a million tags. */
import type { Metadata } from '#metadata/metadata.ts'
import { deletePolicyRow, hiddenPolicies } from '#metadata/retention-policies.ts'
import { deleteDecisions, deleteRunRow, runsBeyond } from '#metadata/retention-runs.ts'
import { transaction } from '#metadata/transaction.ts'
import { decisionsKept, runsKept } from './retention-runs.ts'

/** In one transaction: some 10 ms. */
const decisionsMax = 2_000
const runsMax = 1_000

const forgetDecisions = transaction(import.meta.url, 'retention-prune/forget-decisions', (tx, runId: number) =>
  deleteDecisions(tx, { runId, limit: decisionsMax }),
)
const forgetRun = transaction(import.meta.url, 'retention-prune/forget-run', (tx, runId: number) => deleteRunRow(tx, runId))
const forgetPolicy = transaction(import.meta.url, 'retention-prune/forget-policy', (tx, policyId: number) => deletePolicyRow(tx, policyId))

/** Keeps the latest runs of a policy, and what the latest of those decided. */
export async function pruneRuns(metadata: Metadata, policyId: number, signal: AbortSignal): Promise<void> {
  for (const runId of await runsBeyond(metadata.reader, policyId, { skip: decisionsKept, limit: runsMax }))
    await forgetAll(metadata, runId, signal)
  for (const runId of await runsBeyond(metadata.reader, policyId, { skip: runsKept, limit: runsMax }))
    await metadata.write(forgetRun, runId)
}

async function forgetAll(metadata: Metadata, runId: number, signal: AbortSignal): Promise<void> {
  while ((await metadata.write(forgetDecisions, runId)) > 0) signal.throwIfAborted()
}

/** Ends policies that somebody deleted, with all that they decided. */
export async function pruneDeletedPolicies(metadata: Metadata, signal: AbortSignal): Promise<number> {
  const policies = await hiddenPolicies(metadata.reader, runsMax)
  for (const policyId of policies) {
    for (const runId of await runsBeyond(metadata.reader, policyId, { skip: 0, limit: runsMax })) await forgetAll(metadata, runId, signal)
    await metadata.write(forgetPolicy, policyId)
  }
  return policies.length
}
