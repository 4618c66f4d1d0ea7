/**
 * The table `statistics`: what happened in each hour (`step` hour) and each day (`day`), of a project or, under the id 0, of everything.
 *
 * Counters are added up by each process in rows of its own (`node`), so that no two write one row; readers add the rows up. What is a state (bytes) is in the
 * rows of nobody (`node` empty), which the one process that leads writes, and only where it changed: a reader goes on with the last that was known.
 */
import { sql, type SqlBool } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import type { StatisticsTable } from './schema-lifecycle.ts'

/** How long a row is. */
export type StatisticsStep = StatisticsTable['step']

/** What is counted. `latencies`: so many answers in each bucket (features/statistics-latencies.ts); empty where none is measured. */
export interface StatisticsCounts {
  readonly pulls: number
  readonly pushes: number
  readonly requests: number
  readonly errors: number
  readonly latencies: readonly number[]
}

/** What was so at the end; null: not known. Sizes in bytes. */
export interface StatisticsState {
  readonly bytes: number | null
  readonly logicalBytes: number | null
  readonly reclaimableBytes: number | null
}

/** One row. `at` is when its hour or day began. */
export interface StatisticsRow extends StatisticsCounts, StatisticsState {
  readonly projectId: number
  readonly step: StatisticsStep
  readonly at: number
  readonly node: string
}

/** Everything, where a project's id stands. */
export const allProjects = 0

const noState: StatisticsState = { bytes: null, logicalBytes: null, reclaimableBytes: null }
const noCounts: StatisticsCounts = { pulls: 0, pushes: 0, requests: 0, errors: 0, latencies: [] }

interface Row extends Omit<StatisticsTable, 'id'> {
  readonly id: number
}

function rowOf(row: Row): StatisticsRow {
  return {
    projectId: row.project_id,
    step: row.step,
    at: row.at,
    node: row.node,
    pulls: row.pulls,
    pushes: row.pushes,
    requests: row.requests,
    errors: row.errors,
    latencies: row.latencies === '' ? [] : (JSON.parse(row.latencies) as number[]),
    bytes: row.bytes,
    logicalBytes: row.logical_bytes,
    reclaimableBytes: row.reclaimable_bytes,
  }
}

/** Both together; the state of the later one, where it has one. */
export function addStatistics<Counted extends StatisticsCounts & StatisticsState>(
  earlier: Counted,
  later: StatisticsCounts & StatisticsState,
): Counted {
  const length = Math.max(earlier.latencies.length, later.latencies.length)
  return {
    ...earlier,
    pulls: earlier.pulls + later.pulls,
    pushes: earlier.pushes + later.pushes,
    requests: earlier.requests + later.requests,
    errors: earlier.errors + later.errors,
    latencies: Array.from({ length }, (_, at) => (earlier.latencies[at] ?? 0) + (later.latencies[at] ?? 0)),
    bytes: later.bytes ?? earlier.bytes,
    logicalBytes: later.logicalBytes ?? earlier.logicalBytes,
    reclaimableBytes: later.reclaimableBytes ?? earlier.reclaimableBytes,
  }
}

/** What was counted in an hour of one project, or of everything. */
export interface HourCounts extends StatisticsCounts {
  readonly projectId: number
  readonly at: number
}

/** Adds what a process counted to its rows. */
export async function addCounts(
  tx: Transactor,
  { node, hours }: { readonly node: string; readonly hours: readonly HourCounts[] },
): Promise<void> {
  for (const hour of hours) await addToRow(tx, { ...noState, ...hour, step: 'hour', node })
}

/** What is so in an hour. */
export interface HourState extends StatisticsState {
  readonly projectId: number
  readonly at: number
}

/** Notes how things are; what was noted in the same hour before is replaced. */
export async function noteStates(tx: Transactor, states: readonly HourState[]): Promise<void> {
  for (const state of states) await addToRow(tx, { ...noCounts, ...state, step: 'hour', node: '' })
}

async function addToRow(tx: Transactor, row: StatisticsRow): Promise<void> {
  const { projectId, step, at, node } = row
  const before = await tx
    .selectFrom('statistics')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('step', '=', step)
    .where('at', '=', at)
    .where('node', '=', node)
    .executeTakeFirst()
  const { pulls, pushes, requests, errors, latencies, ...state } = before === undefined ? row : addStatistics(rowOf(before), row)
  const values = {
    pulls,
    pushes,
    requests,
    errors,
    latencies: latencies.length === 0 ? '' : JSON.stringify(latencies),
    bytes: state.bytes,
    logical_bytes: state.logicalBytes,
    reclaimable_bytes: state.reclaimableBytes,
  }
  if (before === undefined)
    await tx
      .insertInto('statistics')
      .values({ project_id: projectId, step, at, node, ...values })
      .execute()
  else await tx.updateTable('statistics').set(values).where('id', '=', before.id).execute()
}

/** Rows of the project, of hours and days, from the one instant to the other (not included), in the order of time. */
export async function statisticsIn(
  reader: Reader,
  { projectId, from, to }: { readonly projectId: number; readonly from: number; readonly to: number },
): Promise<readonly StatisticsRow[]> {
  const rows: StatisticsRow[] = []
  for (const step of ['day', 'hour'] as const) {
    const query = reader.selectFrom('statistics').selectAll().where('project_id', '=', projectId).where('step', '=', step)
    rows.push(...(await query.where('at', '>=', from).where('at', '<', to).execute()).map(rowOf))
  }
  return rows.toSorted((one, other) => one.at - other.at)
}

/** The state that was noted last before the instant. */
export async function stateBefore(reader: Reader, projectId: number, at: number): Promise<StatisticsState> {
  let last: StatisticsRow | undefined
  for (const step of ['day', 'hour'] as const) {
    const query = reader.selectFrom('statistics').selectAll().where('project_id', '=', projectId).where('step', '=', step)
    const row = await query.where('at', '<', at).where('bytes', 'is not', null).orderBy('at', 'desc').limit(1).executeTakeFirst()
    if (row !== undefined && (last === undefined || row.at >= last.at)) last = rowOf(row)
  }
  return last ?? noState
}

/** The state that was noted last of each project, and of everything: for who goes on noting what changes. */
export async function lastStates(reader: Reader): Promise<ReadonlyMap<number, StatisticsState>> {
  const { rows } = await sql<{ project_id: number; bytes: number; logical_bytes: number; reclaimable_bytes: number | null }>`
    select s.project_id, s.bytes, s.logical_bytes, s.reclaimable_bytes from statistics s
    join (select project_id, max(at) as at from statistics where bytes is not null group by project_id) as newest
      on newest.project_id = s.project_id and newest.at = s.at
    where s.bytes is not null order by s.step`.execute(reader)
  return new Map(
    rows.map((row) => [row.project_id, { bytes: row.bytes, logicalBytes: row.logical_bytes, reclaimableBytes: row.reclaimable_bytes }]),
  )
}

/** The oldest hour before the instant, and the projects that have rows in it or in the hours of its day: so many at most. */
export async function hoursToRoll(
  reader: Reader,
  { before, dayOf, limit }: { readonly before: number; readonly dayOf: (at: number) => number; readonly limit: number },
): Promise<{ readonly day: number; readonly projectIds: readonly number[] } | undefined> {
  const hours = reader.selectFrom('statistics').where('step', '=', 'hour')
  const oldest = await hours.select('at').where('at', '<', before).orderBy('at').limit(1).executeTakeFirst()
  if (oldest === undefined) return undefined
  const day = dayOf(oldest.at)
  const rows = await hours
    .select('project_id')
    .distinct()
    .where('at', '>=', day)
    .where('at', '<', day + dayMs)
    .limit(limit)
    .execute()
  return { day, projectIds: rows.map(({ project_id: projectId }) => projectId) }
}

/** Milliseconds of a day in UTC. */
export const dayMs = 24 * 3_600_000

/** Makes one row of the day out of the hours of each of the projects. */
export async function rollHours(
  tx: Transactor,
  { day, projectIds }: { readonly day: number; readonly projectIds: readonly number[] },
): Promise<void> {
  for (const projectId of projectIds) {
    const isHour = sql<SqlBool>`project_id = ${projectId} and step = 'hour' and at >= ${day} and at < ${day + dayMs}`
    const hours = await tx.selectFrom('statistics').selectAll().where(isHour).orderBy('at').execute()
    const none: StatisticsRow = { ...noCounts, ...noState, projectId, step: 'day', at: day, node: '' }
    await addToRow(
      tx,
      hours.map(rowOf).reduce((sum, hour) => addStatistics(sum, hour), none),
    )
    await tx.deleteFrom('statistics').where(isHour).execute()
  }
}

/** Forgets days before the instant: so many at most. How many went. */
export async function forgetDays(tx: Transactor, { before, limit }: { readonly before: number; readonly limit: number }): Promise<number> {
  const old = tx.selectFrom('statistics').select('id').where('step', '=', 'day').where('at', '<', before).limit(limit)
  const result = await tx.deleteFrom('statistics').where('id', 'in', old).executeTakeFirst()
  return Number(result.numDeletedRows)
}
