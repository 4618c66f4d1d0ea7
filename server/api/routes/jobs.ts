/** Work in the background: jobs, and the schedules that make them. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'

const jobId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const kind = Type.String({ maxLength: 64, examples: ['collect-garbage'] })
const state = Type.Enum(['waiting', 'running', 'done', 'failed', 'stopped'])
const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

/** A piece of work. */
export const job = strictObject({
  id: Type.Integer(),
  kind,
  title: Type.String({ description: 'What the kind is called; its name where this server does not know it.' }),
  state,
  stopRequested: Type.Boolean({ description: 'It runs, and is asked to end.' }),
  priority: Type.Integer(),
  payload: Type.Unknown({ description: 'What it is to do, as its kind wants it.' }),
  progress: Type.Optional(strictObject({ done: Type.Number(), total: Type.Optional(Type.Number()), unit: Type.Optional(Type.String()) })),
  result: Type.Optional(Type.Unknown({ description: 'What came of it.' })),
  error: Type.Optional(Type.String({ description: 'Why it failed last.' })),
  attempts: Type.Integer({ description: 'How often it was tried since it last got on.' }),
  attemptsMax: Type.Integer({ description: 'After so many tries it has failed.' }),
  runAfter: Type.Optional(Type.String({ format: 'date-time', description: 'Of one that waits: not before.' })),
  project: Type.Optional(Type.String({ description: 'What it is about.' })),
  createdBy: Type.String({ description: 'Who wanted it, or `schedule:` and the name of the schedule.' }),
  createdAt: instant,
  startedAt: orNull(instant),
  endedAt: orNull(instant),
})

/** A line that a job said. */
export const jobLine = strictObject({
  id: Type.Integer({ description: '`after` of the next request.' }),
  at: instant,
  level: Type.Enum(['info', 'warn', 'error']),
  message: Type.String(),
})

const cron = Type.String({
  maxLength: 100,
  examples: ['0 3 * * *', 'every 10m'],
  description: 'Minute, hour, day of month, month, day of week; or `every` and a number of minutes, hours or days.',
})
const timeZone = Type.String({ maxLength: 100, examples: ['Europe/Berlin', 'UTC'] })

/** When a kind of work begins by itself. */
export const schedule = strictObject({
  name: Type.String(),
  kind,
  title: Type.String(),
  cron,
  timeZone,
  isEnabled: Type.Boolean(),
  nextAt: orNull(instant),
  lastAt: orNull(instant),
  lastJob: orNull(Type.Integer({ description: 'The job that it made last.' })),
  version: Type.Integer(),
})

/** List jobs. */
export const listJobs = defineRoute({
  method: 'GET',
  path: '/jobs',
  tag: 'jobs',
  summary: 'List jobs, those that were made last first.',
  demand: { permission: 'job:list', on: 'system' },
  query: strictObject({
    ...pageQuery([]),
    kind: Type.Optional(kind),
    state: Type.Optional(state),
    sort: Type.Optional(Type.Enum(['-createdAt', 'createdAt'])),
  }),
  response: pageOf(job),
})

const ofJob = strictObject({ job: jobId })

/** Read a job. */
export const readJob = defineRoute({
  method: 'GET',
  path: '/jobs/{job}',
  tag: 'jobs',
  summary: 'Read a job: how far it is, or what came of it.',
  demand: { permission: 'job:read', on: 'system' },
  params: ofJob,
  response: job,
})

/** Read what a job said. */
export const readJobLines = defineRoute({
  method: 'GET',
  path: '/jobs/{job}/lines',
  tag: 'jobs',
  summary: 'Read what a job said, in order; `after` the last line that came follows one that runs.',
  demand: { permission: 'job:read', on: 'system' },
  params: ofJob,
  query: strictObject({
    after: Type.Optional(
      Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Only lines behind the one of this id.' }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'How many at most; 100 unless said.' })),
  }),
  response: strictObject({ items: Type.Array(jobLine) }),
})

/** Stop a job. */
export const stopJob = defineRoute({
  method: 'POST',
  path: '/jobs/{job}/stop',
  tag: 'jobs',
  summary: 'Stop a job: at once when it waits, within seconds when it runs. What it did stays done.',
  demand: { permission: 'job:stop', on: 'system' },
  params: ofJob,
  response: job,
  status: 202,
})

/** Retry a job. */
export const retryJob = defineRoute({
  method: 'POST',
  path: '/jobs/{job}/retry',
  tag: 'jobs',
  summary: 'Let a job that failed or was stopped go on from where it was.',
  demand: { permission: 'job:retry', on: 'system' },
  params: ofJob,
  response: job,
  status: 202,
})

/** List schedules. */
export const listSchedules = defineRoute({
  method: 'GET',
  path: '/schedules',
  tag: 'jobs',
  summary: 'List what begins by itself, and when.',
  demand: { permission: 'job:list', on: 'system' },
  response: strictObject({ items: Type.Array(schedule) }),
})

const ofSchedule = strictObject({ schedule: Type.String({ maxLength: 64 }) })

/** Read a schedule. */
export const readSchedule = defineRoute({
  method: 'GET',
  path: '/schedules/{schedule}',
  tag: 'jobs',
  summary: 'Read a schedule.',
  demand: { permission: 'job:read', on: 'system' },
  params: ofSchedule,
  response: schedule,
  hasEtag: true,
})

/** Change a schedule. */
export const updateSchedule = defineRoute({
  method: 'PATCH',
  path: '/schedules/{schedule}',
  tag: 'jobs',
  summary: 'Change when something begins by itself, or whether it does.',
  demand: { permission: 'job:schedule', on: 'system' },
  params: ofSchedule,
  body: Type.Object(
    { cron: Type.Optional(cron), timeZone: Type.Optional(timeZone), isEnabled: Type.Optional(Type.Boolean()) },
    { additionalProperties: false, minProperties: 1 },
  ),
  response: schedule,
  hasEtag: true,
})

/** Run a schedule's job now. */
export const runSchedule = defineRoute({
  method: 'POST',
  path: '/schedules/{schedule}/run',
  tag: 'jobs',
  summary: 'Make the job of a schedule now. While one waits or runs already, that one is the answer.',
  demand: { permission: 'job:schedule', on: 'system' },
  params: ofSchedule,
  response: job,
  status: 202,
})

/** In the order of the documentation. */
export const jobContracts: readonly RouteContract[] = [
  listJobs,
  readJob,
  readJobLines,
  stopJob,
  retryJob,
  listSchedules,
  readSchedule,
  updateSchedule,
  runSchedule,
]
