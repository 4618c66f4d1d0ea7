/**
 * The job that runs a policy: it decides over all repositories (retention-decide.ts), then carries out what removes (retention-carry-out.ts), then
 * ends its run. Either part goes on where a killed process left it.
 */
import { recordEvent } from '#events/record.ts'
import { advanceJob } from '#jobs/advance-job.ts'
import type { JobClaim, JobKind, JobRun } from '#jobs/jobs.ts'
import { findPolicy, setShown, type RetentionPolicyRecord } from '#metadata/retention-policies.ts'
import { findProjectById } from '#metadata/projects.ts'
import { countInRun, endRun, findRun, type RetentionRunRecord, type RunCounts } from '#metadata/retention-runs.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Registry } from '#registry/registry.ts'
import { requireDeletes } from '#registry/require.ts'
import { carryOutAll, type FlushPulls } from './retention-carry-out.ts'
import { decideAll, usualPages, type DecideCursor, type RetentionPages } from './retention-decide.ts'
import { misfitOf } from './retention-fit.ts'
import { policyTarget } from './retention-policies.ts'
import { pruneRuns } from './retention-prune.ts'
import { retentionKind, type RetentionPayload } from './retention-runs.ts'
import { usablePolicy } from './retention.ts'

/** What the event `retention.run` tells: of a dry run `removed` is what would have gone. */
export interface RetentionRunDetail extends RunCounts {
  readonly run: number
  readonly isDry: boolean
  readonly revision: number
  readonly trigger: RetentionRunRecord['trigger']
  /** The dry run that showed what might go, and beyond which nothing went. */
  readonly shownBy?: number
}

/** What is decided is carried out by what the decisions themselves say. */
type Cursor = DecideCursor | { readonly phase: 'remove' }

interface Decided {
  readonly job: JobClaim
  readonly runId: number
  readonly isDry: boolean
  readonly kept: number
  readonly toRemove: number
}

/** All is decided: what stays is counted, and of a dry run what would go. */
const endDeciding = transaction(import.meta.url, 'retention-job/end-deciding', async (tx, input: Decided) => {
  const { job, runId, kept, toRemove, isDry } = input
  await advanceJob(tx, job, { phase: 'remove' } satisfies Cursor)
  await countInRun(tx, runId, { kept, removed: isDry ? toRemove : 0, failed: 0 })
})

interface Ending {
  readonly job: JobClaim
  readonly runId: number
  readonly shownBy: number | undefined
  readonly error: string | null
  readonly now: number
}

/** Undefined: the run had ended, or is gone with its policy. */
const end = transaction(import.meta.url, 'retention-job/end', async (tx, input: Ending): Promise<RunCounts | undefined> => {
  const { job, runId, shownBy, error, now } = input
  await advanceJob(tx, job, { phase: 'remove' } satisfies Cursor)
  const run = await findRun(tx, runId)
  const policy = run && (await findPolicy(tx, run.policyId))
  if (run === undefined || policy === undefined || run.endedAt !== null) return undefined
  await endRun(tx, runId, { state: error === null ? 'done' : 'failed', error, at: now })
  const { kept, removed, failed, isDry, revision, trigger } = run
  if (error === null && isDry) await setShown(tx, policy.id, revision)
  const detail: RetentionRunDetail = {
    run: runId,
    isDry,
    revision,
    trigger,
    kept,
    removed,
    failed,
    ...(shownBy !== undefined && { shownBy }),
  }
  const outcome = error === null ? ({ outcome: 'success' } as const) : ({ outcome: 'failure', reason: 'CONFLICT' } as const)
  await recordEvent(tx, {
    action: 'retention.run',
    target: policyTarget(policy),
    project: policy.project,
    detail: { ...detail },
    ...outcome,
    at: now,
    actor: run.startedBy,
    requestId: '',
  })
  return { kept, removed, failed }
})

/** Runs a policy; by the usual pages, unless a test says otherwise. */
export function retentionJob(
  registry: Registry,
  { pages = usualPages, flushPulls }: { readonly pages?: RetentionPages | undefined; readonly flushPulls: FlushPulls },
): JobKind<RetentionPayload, RunCounts | null> {
  return {
    name: retentionKind,
    title: 'Decide which tags stay, and remove the others',
    concurrency: 2,
    run: (run, payload) => runPolicy(registry, run, { ...payload, pages, flushPulls }),
  }
}

async function runPolicy(
  registry: Registry,
  run: JobRun,
  { runId, shownBy, ...how }: RetentionPayload & Pick<Work, 'pages' | 'flushPulls'>,
): Promise<RunCounts | null> {
  const { metadata } = registry
  const found = await findRun(metadata.reader, runId)
  const record = found && (await findPolicy(metadata.reader, found.policyId))
  // The policy was deleted meanwhile, or the process died after the end.
  if (found === undefined || record === undefined || found.endedAt !== null) return null
  if (!found.isDry) requireDeletes(registry)
  const error = record.revision === found.revision ? await decideAndCarryOut(registry, run, { found, record, shownBy, ...how }) : changed
  const result = await metadata.write(end, { job: run.job, runId, shownBy, error, now: registry.context.ports.clock.now() })
  if (error !== null) run.log('warn', error)
  if (!found.isDry && result !== undefined && result.removed > 0) await remindOfUntagged(registry, run, record)
  await pruneRuns(metadata, found.policyId, run.signal)
  return result ?? null
}

/** Who makes a policy wants room: where untagged manifests are kept, tags alone make none. */
async function remindOfUntagged({ metadata }: Registry, run: JobRun, { projectId, project }: RetentionPolicyRecord): Promise<void> {
  const found = await findProjectById(metadata.reader, projectId)
  if (found?.untaggedAfterDays !== null) return
  run.log('info', `the project keeps manifests without a tag: berth project update ${project} --untagged-after 7 lets them go after a week`)
}

const changed = 'the policy, or what kept tags from it, was changed or switched off while it ran: what it had not removed by then stays'
const stale = 'what was decided is more than a day old, and is not carried out any more: start another run'

interface Work {
  readonly found: RetentionRunRecord
  readonly record: RetentionPolicyRecord
  readonly shownBy: number | undefined
  readonly pages: RetentionPages
  readonly flushPulls: FlushPulls
}

/** Gives why it ended early. */
async function decideAndCarryOut(
  registry: Registry,
  run: JobRun,
  { found, record, shownBy, pages, flushPulls }: Work,
): Promise<string | null> {
  const { id: runId, isDry, startedAt: now } = found
  const policy = usablePolicy(record)
  const cursor = (run.cursor ?? { phase: 'judge', after: '', kept: 0, toRemove: 0 }) as Cursor
  if (cursor.phase === 'judge') {
    // Rules of this policy or of those beside it may ask when something was pulled.
    await flushPulls()
    const { kept, toRemove } = await decideAll(registry, run, { policy, runId, shownBy, now, cursor, pages })
    await registry.metadata.write(endDeciding, { job: run.job, runId, isDry, kept, toRemove })
    const parts = { metadata: registry.metadata, ports: registry.context.ports }
    const misfit = kept + toRemove === 0 ? await misfitOf(parts, record, run.signal) : undefined
    if (misfit !== undefined) run.log('warn', misfit)
  }
  if (isDry) return null
  const outcome = await carryOutAll(registry, run, { found, policy, flushPulls })
  return outcome === 'done' ? null : outcome === 'stale' ? stale : changed
}
