/** Serves api/routes/jobs.ts. */
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/jobs.ts'
import type { Jobs } from '#jobs/jobs.ts'
import { listJobs, readJob, readJobLines } from '#jobs/list-jobs.ts'
import { listSchedules, readSchedule, runSchedule, updateSchedule } from '#jobs/schedules.ts'
import { instantOf, instantOrNull, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

const linesUnlessSaid = 100

type JobRow = Awaited<ReturnType<typeof readJob>>
type ScheduleRow = Awaited<ReturnType<typeof readSchedule>>
type JobBody = ResponseOf<typeof routes.readJob>

function titleOf(jobs: Jobs, kind: string): string {
  return jobs.kinds.get(kind)?.title ?? kind
}

/** What a handler, of another version perhaps, kept as JSON; undefined when it is none. */
function valueOf(text: string | null): unknown {
  if (text === null) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function progressOf(text: string | null): JobBody['progress'] {
  const { done, total, unit } = (valueOf(text) ?? {}) as { readonly [Member in 'done' | 'total' | 'unit']?: unknown }
  if (typeof done !== 'number') return undefined
  return { done, ...(typeof total === 'number' && { total }), ...(typeof unit === 'string' && { unit }) }
}

/** A job as answers have it. */
export function jobBody(jobs: Jobs, row: JobRow): JobBody {
  const { id, kind, state, priority, error, attempts, attemptsMax, project, createdBy } = row
  const progress = progressOf(row.progress)
  const result = valueOf(row.result)
  return {
    id,
    kind,
    title: titleOf(jobs, kind),
    state,
    priority,
    attempts,
    attemptsMax,
    createdBy,
    stopRequested: state === 'running' && row.isStopRequested,
    payload: valueOf(row.payload) ?? null,
    ...(progress !== undefined && { progress }),
    ...(result !== undefined && { result }),
    ...(error !== null && { error }),
    ...(state === 'waiting' && { runAfter: instantOf(row.runAfter) }),
    ...(project !== null && { project }),
    createdAt: instantOf(row.createdAt),
    startedAt: instantOrNull(row.startedAt),
    endedAt: instantOrNull(row.endedAt),
  }
}

async function jobAnswer(jobs: Jobs, jobId: number) {
  return { body: jobBody(jobs, await readJob(jobs, jobId)) }
}

/** A schedule as answers have it. */
function scheduleBody(jobs: Jobs, row: ScheduleRow): ResponseOf<typeof routes.readSchedule> {
  const { name, kind, cron, timeZone, isEnabled, version } = row
  return {
    name,
    kind,
    title: titleOf(jobs, kind),
    cron,
    timeZone,
    isEnabled,
    version,
    nextAt: instantOrNull(row.nextAt),
    lastAt: instantOrNull(row.lastAt),
    lastJob: row.lastJobId,
  }
}

function scheduleAnswer(jobs: Jobs, row: ScheduleRow) {
  return { body: scheduleBody(jobs, row), version: row.version }
}

/** Jobs and schedules. */
export const jobRoutes: readonly ServedRoute[] = [
  serve(routes.listJobs, async ({ parts: { jobs }, query, page }) => {
    const found = await listJobs(jobs, { kind: query.kind, state: query.state }, sortedPage(page, { createdAt: 'number' }))
    return { body: pageBody(found, (row) => jobBody(jobs, row)) }
  }),
  serve(routes.readJob, ({ parts: { jobs }, params }) => jobAnswer(jobs, params.job)),
  serve(routes.readJobLines, async ({ parts: { jobs }, params, query }) => {
    const { after = 0, limit = linesUnlessSaid } = query
    const lines = await readJobLines(jobs, { jobId: params.job, after, limit })
    return { body: { items: lines.map(({ id, at, level, message }) => ({ id, at: instantOf(at), level, message })) } }
  }),
  serve(routes.stopJob, async ({ parts: { jobs }, params, who }) => {
    await jobs.stop(params.job, who)
    return await jobAnswer(jobs, params.job)
  }),
  serve(routes.retryJob, async ({ parts: { jobs }, params, who }) => {
    await jobs.retry(params.job, who)
    return await jobAnswer(jobs, params.job)
  }),
  serve(routes.listSchedules, async ({ parts: { jobs } }) => ({
    body: { items: (await listSchedules(jobs)).map((row) => scheduleBody(jobs, row)) },
  })),
  serve(routes.readSchedule, async ({ parts: { jobs }, params }) => scheduleAnswer(jobs, await readSchedule(jobs, params.schedule))),
  serve(routes.updateSchedule, async ({ parts: { jobs }, params, body, ifMatch, who }) =>
    scheduleAnswer(jobs, await updateSchedule(jobs, { name: params.schedule, decision: body, expectedVersion: ifMatch }, who)),
  ),
  serve(routes.runSchedule, async ({ parts: { jobs }, params, who }) => {
    const { jobId } = await runSchedule(jobs, params.schedule, who)
    return await jobAnswer(jobs, jobId)
  }),
]
