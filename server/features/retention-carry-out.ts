/** The second part of a run: what its decisions remove is removed, some tags a transaction. */
import type { JobRun } from '#jobs/jobs.ts'
import { decisionsToCarryOut, type RetentionDecisionRecord, type RetentionRunRecord } from '#metadata/retention-runs.ts'
import { mapLimited } from '#lib/map-limited.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { Registry } from '#registry/registry.ts'
import { trashUntil } from '#registry/trash-place.ts'
import { carryOut, noteFailure, removalsMax, type Removed } from './retention-remove.ts'
import { asksForPulls } from './retention-rules.ts'
import type { UsablePolicy } from './retention.ts'

/** Decisions that are read at once. */
const decisionPage = 500

/** Writes the pulls that this process has counted and not written yet: else what was pulled just now looks unused. */
export type FlushPulls = () => Promise<void>

interface CarryingOut {
  readonly found: RetentionRunRecord
  readonly policy: UsablePolicy
  readonly flushPulls: FlushPulls
}

/** What was decided longer ago is not carried out: much has been pushed and removed since. */
const decisionsAgeMaxMs = 24 * 60 * 60_000

/** Transactions that wait for one commit to the disk together. */
const togetherMax = 8

/** Why nothing more is carried out: the policy does not say so any more, or it was decided too long ago. */
export type CarryOutEnd = 'changed' | 'stale'

/** Until nothing waits to be removed; gives why it ended before. */
export async function carryOutAll(registry: Registry, run: JobRun, carrying: CarryingOut): Promise<CarryOutEnd | 'done'> {
  const { found } = carrying
  const { reader } = registry.metadata
  const { clock } = registry.context.ports
  let done = found.removed + found.failed
  for (;;) {
    const page = await decisionsToCarryOut(reader, found.id, decisionPage)
    if (page.length === 0) return 'done'
    let end: CarryOutEnd | { readonly error: unknown } | undefined
    const take = async (batch: readonly RetentionDecisionRecord[]) => {
      if (end !== undefined) return
      run.signal.throwIfAborted()
      if (clock.now() - found.startedAt > decisionsAgeMaxMs) end = 'stale'
      else if ((await removeBatch(registry, run, { ...carrying, batch, done })) === 'changed') end = 'changed'
      done += batch.length
    }
    // All that is under way has ended when this ends, in whatever way.
    await mapLimited([...batchesOf(page)], togetherMax, (batch) => take(batch).catch((error: unknown) => void (end = { error })))
    if (typeof end === 'object') throw end.error
    if (end !== undefined) return end
  }
}

/** Of one repository each. */
function* batchesOf(page: readonly RetentionDecisionRecord[]): Generator<readonly RetentionDecisionRecord[]> {
  let batch: RetentionDecisionRecord[] = []
  for (const decision of page) {
    const [first] = batch
    if (first !== undefined && (first.repository !== decision.repository || batch.length === removalsMax)) {
      yield batch
      batch = []
    }
    batch.push(decision)
  }
  if (batch.length > 0) yield batch
}

interface Batch extends CarryingOut {
  readonly batch: readonly RetentionDecisionRecord[]
  readonly done: number
}

async function removeBatch(registry: Registry, run: JobRun, { batch, ...rest }: Batch): Promise<Removed> {
  const [first] = batch
  if (first === undefined) return { kept: 0, removed: 0, failed: 0 }
  const { found, policy, flushPulls } = rest
  const dependsOnPulls = asksForPulls(policy.rules)
  if (dependsOnPulls) await flushPulls()
  const now = registry.context.ports.clock.now()
  try {
    return await registry.metadata.write(carryOut, {
      job: run.job,
      progress: { done: rest.done + batch.length, unit: 'tags removed' },
      runId: found.id,
      policyId: found.policyId,
      revision: found.revision,
      repository: first.repository as RepositoryName,
      decisions: batch,
      mayEmpty: policy.mayEmpty,
      unlessPulledAfter: dependsOnPulls ? found.startedAt : undefined,
      actor: { name: found.startedBy, requestId: '' },
      now,
      safeUntil: now + registry.options.garbageDelayMs,
      trashUntil: trashUntil(registry, now),
    })
  } catch (error) {
    if (!(error instanceof RegistryError) || isOfAll.has(error.code)) throw error
    return await removeOneByOne(registry, run, { ...rest, batch, error })
  }
}

/** Not about one tag: the job ends, and is tried again. */
const isOfAll: ReadonlySet<string> = new Set(['CONFLICT', 'UNAVAILABLE', 'STORAGE_FULL'])

/** One that cannot be removed does not keep the others. */
async function removeOneByOne(
  registry: Registry,
  run: JobRun,
  { batch, error, ...rest }: Batch & { readonly error: RegistryError },
): Promise<Removed> {
  const [only] = batch
  if (batch.length === 1 && only !== undefined) {
    run.log('error', `${only.repository}:${only.tag} cannot be removed: ${error.message}`)
    await registry.metadata.write(noteFailure, { job: run.job, runId: rest.found.id, decisionId: only.id, reason: error.message })
    return { kept: 0, removed: 0, failed: 1 }
  }
  for (const decision of batch) {
    const removed = await removeBatch(registry, run, { ...rest, batch: [decision] })
    if (removed === 'changed') return removed
  }
  return { kept: 0, removed: 0, failed: 0 }
}
