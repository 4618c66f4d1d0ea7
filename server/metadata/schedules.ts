/** The table `schedules`: what begins by the clock. */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'

/** A schedule. Instants are milliseconds. */
export interface ScheduleRecord {
  readonly id: number
  readonly name: string
  readonly kind: string
  /** JSON. */
  readonly payload: string
  /** Cron expression or `every 10m`; empty: never by itself. */
  readonly cron: string
  readonly timeZone: string
  readonly isEnabled: boolean
  readonly nextAt: number | null
  readonly lastAt: number | null
  readonly lastJobId: number | null
  /** 1 until somebody changes it. */
  readonly version: number
  readonly updatedAt: number
}

function selectSchedules(reader: Reader | Transactor) {
  return reader
    .selectFrom('schedules')
    .select(['id', 'name', 'kind', 'payload', 'cron', 'time_zone', 'is_enabled'])
    .select(['next_at', 'last_at', 'last_job_id', 'version', 'updated_at'])
}

type Row = Awaited<ReturnType<ReturnType<typeof selectSchedules>['executeTakeFirstOrThrow']>>

function recordOf({ id, name, kind, payload, cron, version, ...row }: Row): ScheduleRecord {
  return {
    id,
    name,
    kind,
    payload,
    cron,
    version,
    timeZone: row.time_zone,
    isEnabled: row.is_enabled === 1,
    nextAt: row.next_at,
    lastAt: row.last_at,
    lastJobId: row.last_job_id,
    updatedAt: row.updated_at,
  }
}

/** All of them by name: there are as many as kinds of work. */
export async function listSchedules(reader: Reader | Transactor): Promise<ScheduleRecord[]> {
  return (await selectSchedules(reader).orderBy('name').limit(1_000).execute()).map(recordOf)
}

/** The schedule of that name. */
export async function findSchedule(reader: Reader | Transactor, name: string): Promise<ScheduleRecord | undefined> {
  const row = await selectSchedules(reader).where('name', '=', name).executeTakeFirst()
  return row && recordOf(row)
}

/** Of {@link insertSchedule}. */
export type NewSchedule = Pick<ScheduleRecord, 'name' | 'kind' | 'payload' | 'cron' | 'timeZone' | 'nextAt' | 'updatedAt'>

/** Adds a schedule that is on. */
export async function insertSchedule(tx: Transactor, { timeZone, nextAt, updatedAt, ...schedule }: NewSchedule): Promise<void> {
  await tx
    .insertInto('schedules')
    .values({
      ...schedule,
      time_zone: timeZone,
      is_enabled: 1,
      next_at: nextAt,
      last_at: null,
      last_job_id: null,
      version: 1,
      updated_at: updatedAt,
    })
    .execute()
}

/** Of {@link updateScheduleRow}; what is undefined stays. */
export interface ScheduleChange {
  readonly cron?: string | undefined
  readonly timeZone?: string | undefined
  readonly isEnabled?: boolean | undefined
  readonly nextAt?: number | null | undefined
  readonly lastAt?: number | undefined
  readonly lastJobId?: number | undefined
  /** Somebody decided it: from now on what the program has as its default does not count. */
  readonly decidedAt?: number | undefined
}

/** Changes the row. */
export async function updateScheduleRow(tx: Transactor, id: number, change: ScheduleChange): Promise<void> {
  const { cron, timeZone, isEnabled, nextAt, lastAt, lastJobId, decidedAt } = change
  await tx
    .updateTable('schedules')
    .set({
      ...(cron !== undefined && { cron }),
      ...(timeZone !== undefined && { time_zone: timeZone }),
      ...(isEnabled !== undefined && { is_enabled: isEnabled ? 1 : 0 }),
      ...(nextAt !== undefined && { next_at: nextAt }),
      ...(lastAt !== undefined && { last_at: lastAt }),
      ...(lastJobId !== undefined && { last_job_id: lastJobId }),
      ...(decidedAt !== undefined && { version: sql<number>`version + 1`, updated_at: decidedAt }),
    })
    .where('id', '=', id)
    .execute()
}
