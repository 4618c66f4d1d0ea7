/** The tables `retention_runs` and `retention_decisions`: what policies did, when, and why. */
import { sql } from 'kysely'
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import { notBuried } from './hidden-repositories.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import type { JobsTable, RetentionDecisionsTable, RetentionRunsTable } from './schema-lifecycle.ts'

/** How a run is: while its row says `running`, how its job is. */
export type RetentionRunState = RetentionRunsTable['state'] | 'waiting'

/** A run. Instants are milliseconds. */
export interface RetentionRunRecord {
  readonly id: number
  readonly policyId: number
  /** Name of the policy. */
  readonly policy: string
  readonly projectId: number
  /** Null once its job is forgotten. */
  readonly jobId: number | null
  readonly revision: number
  readonly isDry: boolean
  readonly trigger: RetentionRunsTable['trigger']
  readonly state: RetentionRunState
  readonly kept: number
  readonly removed: number
  readonly failed: number
  readonly error: string | null
  readonly startedBy: string
  readonly startedAt: number
  readonly endedAt: number | null
}

function selectRuns(reader: Reader | Transactor) {
  return reader
    .selectFrom('retention_runs as rr')
    .innerJoin('retention_policies as rp', 'rp.id', 'rr.policy_id')
    .leftJoin('jobs as j', 'j.id', 'rr.job_id')
    .select(['rr.id', 'rr.policy_id', 'rp.name as policy', 'rp.project_id', 'rr.job_id', 'rr.revision', 'rr.is_dry', 'rr.trigger'])
    .select(['rr.state', 'rr.kept', 'rr.removed', 'rr.failed', 'rr.error', 'rr.started_by', 'rr.started_at', 'rr.ended_at'])
    .select(['j.state as job_state', 'j.error as job_error', 'j.ended_at as job_ended_at'])
    .where('rp.name', '>=', '0')
}

type Row = Awaited<ReturnType<ReturnType<typeof selectRuns>['executeTakeFirstOrThrow']>>

function stateOf({ state, job_state }: { readonly state: RetentionRunsTable['state']; readonly job_state: JobsTable['state'] | null }) {
  if (state !== 'running') return state
  // A job that is gone or done without the run's own end was given up.
  return job_state === null || job_state === 'done' ? 'failed' : job_state
}

function recordOf(row: Row): RetentionRunRecord {
  const state = stateOf(row)
  const { id, policy, revision, trigger, kept, removed, failed } = row
  return {
    id,
    policyId: row.policy_id,
    policy,
    projectId: row.project_id,
    jobId: row.job_state === null ? null : row.job_id,
    revision,
    isDry: row.is_dry === 1,
    trigger,
    state,
    kept,
    removed,
    failed,
    error: row.error ?? (state === 'failed' ? row.job_error : null),
    startedBy: row.started_by,
    startedAt: row.started_at,
    endedAt: row.ended_at ?? (state === 'failed' || state === 'stopped' ? row.job_ended_at : null),
  }
}

/** The run of that id, unless its policy is being deleted. */
export async function findRun(reader: Reader | Transactor, id: number): Promise<RetentionRunRecord | undefined> {
  const row = await selectRuns(reader).where('rr.id', '=', id).executeTakeFirst()
  return row && recordOf(row)
}

/** A page of the runs of a policy. */
export async function listRuns(reader: Reader, policyId: number, page: PageRequest<'id'>): Promise<Page<RetentionRunRecord>> {
  const query = selectRuns(reader).where('rr.policy_id', '=', policyId)
  const rows = await paged(query, page, { column: 'rr.id', id: 'rr.id' }).execute()
  return pageFrom(rows.map(recordOf), page, ({ id }) => id)
}

/** Adds a run that has not begun, and gives its id. */
export async function insertRun(
  tx: Transactor,
  run: Pick<RetentionRunRecord, 'policyId' | 'revision' | 'isDry' | 'trigger' | 'startedBy' | 'startedAt'>,
): Promise<number> {
  const { id } = await tx
    .insertInto('retention_runs')
    .values({
      policy_id: run.policyId,
      job_id: null,
      revision: run.revision,
      is_dry: run.isDry ? 1 : 0,
      trigger: run.trigger,
      state: 'running',
      kept: 0,
      removed: 0,
      failed: 0,
      error: null,
      started_by: run.startedBy,
      started_at: run.startedAt,
      ended_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Which job runs it. */
export async function setRunJob(tx: Transactor, id: number, jobId: number): Promise<void> {
  await tx.updateTable('retention_runs').set({ job_id: jobId }).where('id', '=', id).execute()
}

/** Counts of a run, as differences. */
export interface RunCounts {
  readonly kept: number
  readonly removed: number
  readonly failed: number
}

/** Adds to the counts of a run. */
export async function countInRun(tx: Transactor, id: number, { kept, removed, failed }: RunCounts): Promise<void> {
  await tx
    .updateTable('retention_runs')
    .set({ kept: sql<number>`kept + ${kept}`, removed: sql<number>`removed + ${removed}`, failed: sql<number>`failed + ${failed}` })
    .where('id', '=', id)
    .execute()
}

/** Ends a run. */
export async function endRun(
  tx: Transactor,
  id: number,
  end: { readonly state: 'done' | 'failed'; readonly error: string | null; readonly at: number },
): Promise<void> {
  await tx
    .updateTable('retention_runs')
    .set({ state: end.state, error: end.error, ended_at: end.at })
    .where('id', '=', id)
    .where('state', '=', 'running')
    .execute()
}

/** Ids of the runs of a policy beyond the latest so many. */
export async function runsBeyond(
  reader: Reader | Transactor,
  policyId: number,
  { skip, limit }: { readonly skip: number; readonly limit: number },
): Promise<number[]> {
  const query = reader.selectFrom('retention_runs').select('id').where('policy_id', '=', policyId).orderBy('id', 'desc')
  return (await query.limit(limit).offset(skip).execute()).map(({ id }) => id)
}

/** Removes a run, whose decisions are gone already. */
export async function deleteRunRow(tx: Transactor, id: number): Promise<void> {
  await tx.deleteFrom('retention_runs').where('id', '=', id).execute()
}

/** What a run decided about one tag. Instants are milliseconds. */
export interface RetentionDecisionRecord {
  readonly id: number
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  readonly action: RetentionDecisionsTable['action']
  /** Empty: none. */
  readonly rule: string
  readonly reason: string
  readonly tagId: number
  readonly pushedAt: number
}

/** A decision that is to be kept. */
export interface NewDecision extends Omit<RetentionDecisionRecord, 'id'> {
  readonly repositoryId: number
}

/** Adds decisions of a run, but of repositories that were deleted for good while they were judged. */
export async function insertDecisions(tx: Transactor, runId: number, decisions: readonly NewDecision[]): Promise<void> {
  const present = await notBuried(tx, new Set(decisions.map(({ repositoryId }) => repositoryId)))
  for (const chunk of inChunks(decisions.filter(({ repositoryId }) => present.has(repositoryId)))) {
    const rows = chunk.map(({ digest, tagId, pushedAt, repositoryId, ...rest }) => ({
      run_id: runId,
      repository_id: repositoryId,
      ...rest,
      digest: digestToBytes(digest),
      tag_id: tagId,
      pushed_at: pushedAt,
    }))
    await tx.insertInto('retention_decisions').values(rows).execute()
  }
}

/** What a list of decisions is narrowed to. */
export interface DecisionFilter {
  readonly action?: RetentionDecisionsTable['action'] | undefined
  readonly repository?: string | undefined
  readonly tag?: string | undefined
}

function selectDecisions(reader: Reader | Transactor, runId: number) {
  return reader
    .selectFrom('retention_decisions')
    .select(['id', 'repository', 'tag', 'digest', 'action', 'rule', 'reason', 'tag_id as tagId', 'pushed_at as pushedAt'])
    .where('run_id', '=', runId)
}

/** A page of the decisions of a run, in the order in which they were made. */
export async function listDecisions(
  reader: Reader,
  { runId, filter, page }: { readonly runId: number; readonly filter: DecisionFilter; readonly page: PageRequest<'id'> },
): Promise<Page<RetentionDecisionRecord>> {
  const { action, repository, tag } = filter
  const query = selectDecisions(reader, runId)
    // What a run removed was to be removed.
    .$if(action !== undefined, (next) => next.where('action', 'in', action === 'remove' ? ['remove', 'removed'] : [action ?? 'keep']))
    .$if(repository !== undefined, (next) => next.where('repository', '=', repository ?? ''))
    .$if(tag !== undefined, (next) => next.where('tag', '=', tag ?? ''))
  const rows = await paged(query, page, { column: 'id', id: 'id' }).execute()
  const records = rows.map((row) => ({ ...row, digest: digestFromBytes(row.digest) }))
  return pageFrom(records, page, ({ id }) => id)
}

/** What a run decided to remove of a repository, after the decision of that id, in pages. */
export async function removalsOf(
  reader: Reader,
  {
    runId,
    repository,
    afterId,
    limit,
  }: { readonly runId: number; readonly repository: string; readonly afterId: number; readonly limit: number },
): Promise<RetentionDecisionRecord[]> {
  const rows = await selectDecisions(reader, runId)
    .where('repository', '=', repository)
    .where('action', '=', 'remove')
    .where('id', '>', afterId)
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ ...row, digest: digestFromBytes(row.digest) }))
}

/** The next decisions that wait to be carried out, oldest first. */
export async function decisionsToCarryOut(reader: Reader, runId: number, limit: number): Promise<RetentionDecisionRecord[]> {
  const rows = await selectDecisions(reader, runId).where('action', '=', 'remove').orderBy('id').limit(limit).execute()
  return rows.map((row) => ({ ...row, digest: digestFromBytes(row.digest) }))
}

/** What became of a decision; what is undefined stays. */
export async function settleDecision(
  tx: Transactor,
  id: number,
  { action, reason }: { readonly action: RetentionDecisionsTable['action']; readonly reason?: string | undefined },
): Promise<void> {
  await tx
    .updateTable('retention_decisions')
    .set({ action, ...(reason !== undefined && { reason, rule: '' }) })
    .where('id', '=', id)
    .execute()
}

/** Whether a decision still waits to be carried out. */
export async function isToCarryOut(tx: Transactor, id: number): Promise<boolean> {
  const row = await tx.selectFrom('retention_decisions').select('action').where('id', '=', id).executeTakeFirst()
  return row?.action === 'remove'
}

/** Removes up to `limit` decisions of a run, of repositories whose names sort after one; gives how many there were. */
export async function deleteDecisions(
  tx: Transactor,
  { runId, after = '', limit }: { readonly runId: number; readonly after?: string | undefined; readonly limit: number },
): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('retention_decisions')
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('retention_decisions')
        .select('id')
        .where('run_id', '=', runId)
        .where('repository', '>', after)
        .orderBy('repository')
        .limit(limit),
    )
    .executeTakeFirst()
  return Number(numDeletedRows)
}

/** A tag that a run removed and that is not what it was. */
export interface TagNotBack {
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  /** What it points at by now. */
  readonly now: Digest | undefined
}

/** The first of the tags that a run removed and that are not what they were. */
export async function tagsNotBack(reader: Reader, runId: number, limit: number): Promise<TagNotBack[]> {
  const rows = await reader
    .selectFrom('retention_decisions as d')
    .leftJoin('repositories as r', 'r.name', 'd.repository')
    .leftJoin('tags as t', (join) => join.onRef('t.repository_id', '=', 'r.id').onRef('t.name', '=', 'd.tag'))
    .leftJoin('manifests as m', 'm.id', 't.manifest_id')
    .select(['d.repository', 'd.tag', 'd.digest', 'm.digest as now'])
    .where('d.run_id', '=', runId)
    .where('d.action', '=', 'removed')
    .where((eb) => eb.or([eb('m.digest', 'is', null), eb('m.digest', '<>', eb.ref('d.digest'))]))
    .orderBy('d.id')
    .limit(limit)
    .execute()
  return rows.map(({ repository, tag, digest, now }) => {
    return { repository, tag, digest: digestFromBytes(digest), now: now === null ? undefined : digestFromBytes(now) }
  })
}

/** Whether it is known what the run removed. */
export async function knowsRemovals(reader: Reader, runId: number): Promise<boolean> {
  const query = reader.selectFrom('retention_decisions').select('id').where('run_id', '=', runId).where('action', '=', 'removed')
  return (await query.limit(1).executeTakeFirst()) !== undefined
}
