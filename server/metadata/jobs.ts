/** The tables `jobs` and `job_lines`: what waits, and what people see of it. Who runs what is job-claims.ts. */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import { prepare } from './prepared.ts'
import type { JobLinesTable, JobsTable } from './schema-lifecycle.ts'

export type JobState = JobsTable['state']

/** Of {@link insertJob}; `payload` is JSON. */
export interface NewJobRow {
  readonly kind: string
  readonly uniqueKey: string | null
  readonly priority: number
  readonly payload: string
  readonly attemptsMax: number
  readonly runAfter: number
  readonly projectId: number | null
  readonly createdBy: string
  readonly now: number
}

const insert = prepare<NewJobRow & Readonly<Record<string, unknown>>, { id: number }>((db, param) =>
  db
    .insertInto('jobs')
    .values((eb) => ({
      kind: param('kind'),
      unique_key: param('uniqueKey'),
      state: sql.lit<'waiting'>('waiting'),
      priority: param('priority'),
      payload: param('payload'),
      cursor: null,
      progress: null,
      result: null,
      error: null,
      attempts: eb.lit(0),
      attempts_max: param('attemptsMax'),
      run_after: param('runAfter'),
      fence: eb.lit(0),
      worker: sql.lit(''),
      lease_until: eb.lit(0),
      stop_requested: eb.lit(0),
      project_id: param('projectId'),
      created_by: param('createdBy'),
      created_at: param('now'),
      started_at: null,
      ended_at: null,
    }))
    .returning('id'),
)

/** Adds a job that waits, and gives its id. That its key is free is the caller's to see to; the database holds it. */
export async function insertJob(tx: Transactor, row: NewJobRow): Promise<number> {
  const [inserted] = await insert(tx, { ...row })
  if (inserted === undefined) throw new Error('the job was not inserted')
  return inserted.id
}

const ofKey = prepare<{ key: string }, { id: number }>((db, param) =>
  db
    .selectFrom('jobs')
    .select('id')
    .where('unique_key', '=', param('key'))
    .where(sql<boolean>`state in ('waiting', 'running')`),
)

/** The job of that key that waits or runs. */
export async function jobOfKey(reader: Reader | Transactor, key: string): Promise<number | undefined> {
  return (await ofKey(reader, { key }))[0]?.id
}

/** A job as people see it. Members that are JSON in the row stay text: what another version wrote need not be readable. */
export interface JobRecord {
  readonly id: number
  readonly kind: string
  readonly state: JobState
  readonly priority: number
  readonly payload: string
  readonly progress: string | null
  readonly result: string | null
  readonly error: string | null
  readonly attempts: number
  readonly attemptsMax: number
  readonly runAfter: number
  readonly worker: string
  readonly isStopRequested: boolean
  readonly uniqueKey: string | null
  /** Name of the project that it is about. */
  readonly project: string | null
  readonly createdBy: string
  readonly createdAt: number
  readonly startedAt: number | null
  readonly endedAt: number | null
}

function selectJobs(reader: Reader | Transactor) {
  return reader
    .selectFrom('jobs')
    .leftJoin('projects', 'projects.id', 'jobs.project_id')
    .select(['jobs.id', 'jobs.kind', 'jobs.state', 'jobs.priority', 'jobs.payload', 'jobs.progress', 'jobs.result', 'jobs.error'])
    .select(['jobs.attempts', 'jobs.attempts_max', 'jobs.run_after', 'jobs.worker', 'jobs.stop_requested', 'jobs.unique_key'])
    .select(['projects.name as project', 'jobs.created_by', 'jobs.created_at', 'jobs.started_at', 'jobs.ended_at'])
}

type Row = Awaited<ReturnType<ReturnType<typeof selectJobs>['executeTakeFirstOrThrow']>>

function recordOf(row: Row): JobRecord {
  const { id, kind, state, priority, payload, progress, result, error, attempts, worker, project } = row
  return {
    id,
    kind,
    state,
    priority,
    payload,
    progress,
    result,
    error,
    attempts,
    worker,
    project,
    attemptsMax: row.attempts_max,
    runAfter: row.run_after,
    isStopRequested: row.stop_requested === 1,
    uniqueKey: row.unique_key,
    createdBy: row.created_by,
    createdAt: row.created_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
  }
}

/** The job of that id. */
export async function findJob(reader: Reader | Transactor, id: number): Promise<JobRecord | undefined> {
  const row = await selectJobs(reader).where('jobs.id', '=', id).executeTakeFirst()
  return row && recordOf(row)
}

/** Which jobs a list holds. */
export interface JobFilter {
  readonly kind?: string | undefined
  readonly state?: JobState | undefined
}

/** By what a list of jobs can be sorted. */
export type JobSort = 'createdAt'

/** A page of jobs. Ids are given in the order of creation, and clocks step: so the order is that of the ids. */
export async function listJobs(reader: Reader, { kind, state }: JobFilter, page: PageRequest<JobSort>): Promise<Page<JobRecord>> {
  const query = selectJobs(reader)
    .$if(kind !== undefined, (next) => next.where('jobs.kind', '=', kind ?? ''))
    .$if(state !== undefined, (next) => next.where('jobs.state', '=', state ?? 'waiting'))
  const rows = await paged(query, page, { column: 'jobs.id', id: 'jobs.id' }).execute()
  return pageFrom(rows.map(recordOf), page, ({ id }) => id)
}

/** Jobs that run, then those that wait: of each the oldest, up to `limit` of both. */
export async function activeJobs(reader: Reader, limit: number): Promise<readonly JobRecord[]> {
  const rows: Row[] = []
  for (const state of ['running', 'waiting'] as const) {
    const query = selectJobs(reader).where('jobs.state', '=', state)
    rows.push(
      ...(await query
        .orderBy('jobs.id')
        .limit(limit - rows.length)
        .execute()),
    )
  }
  return rows.map(recordOf)
}

/** Jobs that were made after the one of that id, in their order. */
export async function jobsAfter(reader: Reader, id: number, limit: number): Promise<readonly JobRecord[]> {
  return (await selectJobs(reader).where('jobs.id', '>', id).orderBy('jobs.id').limit(limit).execute()).map(recordOf)
}

/** The id of the youngest job; 0 for none. */
export async function newestJobId(reader: Reader): Promise<number> {
  return (await reader.selectFrom('jobs').select('id').orderBy('id', 'desc').limit(1).executeTakeFirst())?.id ?? 0
}

/** How many wait and run, by kind. */
export async function countJobs(
  reader: Reader,
): Promise<readonly { readonly kind: string; readonly state: JobState; readonly count: number }[]> {
  const counts = await Promise.all(
    (['waiting', 'running'] as const).map(async (state) => {
      const rows = await reader
        .selectFrom('jobs')
        .select(['kind', (eb) => eb.fn.countAll<number>().as('count')])
        .where(sql<boolean>`state = ${sql.lit(state)}`)
        .groupBy('kind')
        .execute()
      return rows.map(({ kind, count }) => ({ kind, state, count: Number(count) }))
    }),
  )
  return counts.flat()
}

/** Since when the job that is due longest could run; undefined when none is due. */
export async function oldestDueAt(reader: Reader, now: number): Promise<number | undefined> {
  const row = await reader
    .selectFrom('jobs')
    .select((eb) => eb.fn.min<number | null>('run_after').as('at'))
    .where(sql<boolean>`state = 'waiting'`)
    .where('run_after', '<=', now)
    .executeTakeFirst()
  return row?.at ?? undefined
}

/** Asks whoever runs the job to stop it; ends it when it waits. False: it has ended. */
export async function requestStop(tx: Transactor, { id, now }: { readonly id: number; readonly now: number }): Promise<boolean> {
  const waiting = await tx
    .updateTable('jobs')
    .set({ state: 'stopped', ended_at: now, stop_requested: 1 })
    .where('id', '=', id)
    .where('state', '=', 'waiting')
    .executeTakeFirst()
  if (waiting.numUpdatedRows > 0n) return true
  const running = await tx
    .updateTable('jobs')
    .set({ stop_requested: 1 })
    .where('id', '=', id)
    .where('state', '=', 'running')
    .executeTakeFirst()
  return running.numUpdatedRows > 0n
}

/** Lets a job that failed or was stopped wait again, with its cursor and all its tries. False when it is neither. */
export async function reviveJob(tx: Transactor, { id, now }: { readonly id: number; readonly now: number }): Promise<boolean> {
  const result = await tx
    .updateTable('jobs')
    .set({ state: 'waiting', ended_at: null, error: null, stop_requested: 0, attempts: 0, run_after: now })
    .where('id', '=', id)
    .where('state', 'in', ['failed', 'stopped'])
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** A line of a job. */
export type JobLine = Pick<JobLinesTable, 'at' | 'level' | 'message'> & { readonly id: number }

/** Lines of a job in their order, after the one of that id. */
export async function listLines(
  reader: Reader,
  { jobId, after, limit }: { readonly jobId: number; readonly after: number; readonly limit: number },
): Promise<JobLine[]> {
  return reader
    .selectFrom('job_lines')
    .select(['id', 'at', 'level', 'message'])
    .where('job_id', '=', jobId)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute()
}

/** Forgets jobs that ended before, with their lines; gives how many went, at most `limit`. */
export async function deleteEndedJobs(
  tx: Transactor,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<number> {
  const result = await tx
    .deleteFrom('jobs')
    .where(
      'id',
      'in',
      tx
        .selectFrom('jobs')
        .select('id')
        .where('ended_at', '<', before)
        .where('state', 'in', ['done', 'failed', 'stopped'])
        .orderBy('ended_at')
        .limit(limit),
    )
    .executeTakeFirst()
  return Number(result.numDeletedRows)
}

/** Lets jobs that were tried and wait until after that instant run now. */
export async function hastenRetries(tx: Transactor, { after, now }: { readonly after: number; readonly now: number }): Promise<void> {
  await tx
    .updateTable('jobs')
    .set({ run_after: now })
    .where(sql<boolean>`state = 'waiting'`)
    .where('attempts', '>', 0)
    .where('run_after', '>', after)
    .execute()
}
