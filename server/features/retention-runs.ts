/** Runs of retention policies: starting them, and what people see of them. */
import type { Who } from '#events/event.ts'
import { enqueueJob, startJob } from '#jobs/enqueue-job.ts'
import type { Jobs } from '#jobs/jobs.ts'
import { jobOfKey } from '#metadata/jobs.ts'
import type { Metadata, Transactor } from '#metadata/metadata.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { findPolicyByName, type RetentionPolicyRecord } from '#metadata/retention-policies.ts'
import {
  findRun,
  insertRun,
  listDecisions as listDecisionRows,
  listRuns as listRows,
  setRunJob,
  type DecisionFilter,
  type RetentionDecisionRecord,
  type RetentionRunRecord,
} from '#metadata/retention-runs.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import type { Registry } from '#registry/registry.ts'
import { requireDeletes } from '#registry/require.ts'
import { requireShownBy } from './retention-as-shown.ts'
import type { PolicyName } from './retention-policies.ts'

/** The kind of the jobs that run policies. */
export const retentionKind = 'retention'

/** Runs that a policy keeps, and those of them that keep their decisions. */
export const runsKept = 50
export const decisionsKept = 10

type Parts = Pick<Registry, 'metadata'>

/** Of the job. */
export interface RetentionPayload {
  readonly runId: number
  /** The dry run that showed what may go; undefined: whatever the policy removes by then. */
  readonly shownBy?: number | undefined
}

interface NewRun {
  readonly policy: RetentionPolicyRecord
  readonly isDry: boolean
  readonly now: number
  /** Undefined: its schedule. */
  readonly who: Who | undefined
  readonly shownBy?: number | undefined
}

/** Adds a run and its job; undefined when one of the policy waits or runs already. */
export async function insertRunWithJob(
  tx: Transactor,
  { policy, isDry, now, who, shownBy }: NewRun,
): Promise<number | { readonly busyJob: number }> {
  const { id: policyId, revision, projectId } = policy
  const uniqueKey = `retention:${policyId}`
  const busyJob = await jobOfKey(tx, uniqueKey)
  if (busyJob !== undefined) return { busyJob }
  const trigger = who === undefined ? 'schedule' : 'manual'
  const startedBy = who?.actor ?? `retention:${policy.project}/${policy.name}`
  const runId = await insertRun(tx, { policyId, revision, isDry, trigger, startedBy, startedAt: now })
  const payload: RetentionPayload = { runId, ...(shownBy !== undefined && { shownBy }) }
  const job = { kind: retentionKind, payload, uniqueKey, projectId, now }
  const enqueued = who === undefined ? await enqueueJob(tx, { ...job, createdBy: startedBy }) : await startJob(tx, job, who)
  await setRunJob(tx, runId, enqueued.jobId)
  return runId
}

/** What is to run, and how. */
export interface RunToStart extends PolicyName {
  readonly isDry: boolean
  /** Of a run that removes: the dry run that showed what may go, and nothing else does. */
  readonly shownBy?: number | undefined
}

const start = transaction(
  import.meta.url,
  'retention-runs/start',
  async (tx, input: RunToStart & { readonly who: Who; readonly now: number }): Promise<RetentionRunRecord> => {
    const { projectId, name, isDry, shownBy } = input
    const policy = await findPolicyByName(tx, projectId, name)
    if (policy === undefined) throw resourceUnknown('retention policy', name)
    if (!isDry) requireShown(policy)
    if (shownBy !== undefined) await requireShownBy(tx, policy, { runId: shownBy, runsWithDecisions: decisionsKept })
    const runId = await insertRunWithJob(tx, { ...input, policy })
    if (typeof runId === 'object')
      throw new RegistryError(
        'CONFLICT',
        { job: runId.busyJob },
        { message: `a run of this policy is under way already: job ${runId.busyJob}` },
      )
    return await runIn(tx, runId)
  },
)

function requireShown({ isEnabled, revision, shownRevision }: RetentionPolicyRecord): void {
  if (!isEnabled) throw new RegistryError('CONFLICT', undefined, { message: 'the policy is switched off: it can be run dry only' })
  if (revision === shownRevision) return
  const why = shownRevision === 0 ? 'the policy is new' : 'the policy, or what kept tags from it, was changed'
  const message = `${why}: run it dry first, and look at what it would remove`
  throw new RegistryError('CONFLICT', { revision, shownRevision }, { message })
}

async function runIn(tx: Transactor, id: number): Promise<RetentionRunRecord> {
  const run = await findRun(tx, id)
  if (run === undefined) throw new Error('a run went inside the transaction that made it')
  return run
}

/**
 * Starts a run of the policy by a job. Throws RESOURCE_UNKNOWN; CONFLICT while one is under way, and for a run that is to remove something of a policy
 * that is off, whose effect nobody has seen, or that the dry run named does not speak of as it is; UNSUPPORTED where nothing may be deleted.
 */
export async function startRun(registry: Registry, run: RunToStart, who: Who): Promise<RetentionRunRecord> {
  if (run.isDry && run.shownBy !== undefined)
    throw new RegistryError(
      'REQUEST_INVALID',
      { path: 'shownBy' },
      { message: 'shownBy goes with dryRun: false, for it says what may be removed' },
    )
  if (!run.isDry) requireDeletes(registry)
  return await registry.metadata.write(start, { ...run, who, now: registry.context.ports.clock.now() })
}

/** A run of one project. Throws RESOURCE_UNKNOWN. */
export async function readRun(
  { metadata }: Parts,
  { projectId, runId }: { readonly projectId: number; readonly runId: number },
): Promise<RetentionRunRecord> {
  const run = await findRun(metadata.reader, runId)
  if (run === undefined || run.projectId !== projectId) throw resourceUnknown('retention run', runId)
  return run
}

/** A page of the runs of a policy. Throws RESOURCE_UNKNOWN. */
export async function listRuns(
  { metadata }: { readonly metadata: Pick<Metadata, 'reader'> },
  { projectId, name }: PolicyName,
  page: PageRequest<'id'>,
): Promise<Page<RetentionRunRecord>> {
  const policy = await findPolicyByName(metadata.reader, projectId, name)
  if (policy === undefined) throw resourceUnknown('retention policy', name)
  return await listRows(metadata.reader, policy.id, page)
}

/** A page of what a run decided. Throws RESOURCE_UNKNOWN. */
export async function listDecisions(
  parts: Parts,
  list: { readonly projectId: number; readonly runId: number; readonly filter: DecisionFilter; readonly page: PageRequest<'id'> },
): Promise<Page<RetentionDecisionRecord>> {
  await readRun(parts, list)
  return await listDecisionRows(parts.metadata.reader, list)
}

/** Ends a run that waits or is under way; what it removed stays removed. Throws RESOURCE_UNKNOWN, and CONFLICT when it has ended. */
export async function stopRun(
  parts: Parts,
  jobs: Jobs,
  run: { readonly projectId: number; readonly runId: number; readonly who: Who },
): Promise<void> {
  const { jobId, state } = await readRun(parts, run)
  if (jobId === null || (state !== 'waiting' && state !== 'running'))
    throw new RegistryError('CONFLICT', { state }, { message: `run ${run.runId} has ended: it is ${state}` })
  await jobs.stop(jobId, run.who)
}
