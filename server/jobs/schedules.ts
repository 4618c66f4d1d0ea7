/** Schedules: which kinds of work begin by the clock, and when. The program has a default for each; what somebody decides counts instead. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { findSchedule, insertSchedule, listSchedules as listRows, updateScheduleRow, type ScheduleRecord } from '#metadata/schedules.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import { startJob, type Enqueued } from './enqueue-job.ts'
import type { Jobs, JobParts, AnyJobKind } from './jobs.ts'
import { faultOf, intervalOf, nextTime } from './next-time.ts'

/** Long before a schedule's first run by an interval: a process that is started often does its work as well. */
const firstRunMs = 60_000

interface Seed {
  readonly name: string
  /** Undefined: it has no time of its own. */
  readonly cron: string | undefined
  readonly nextAt: number | null
}

const seed = transaction(
  import.meta.url,
  'schedules/seed',
  async (tx, { seeds, now }: { readonly seeds: readonly Seed[]; readonly now: number }) => {
    for (const each of seeds) await seedOne(tx, each, now)
  },
)

async function seedOne(tx: Transactor, { name, cron, nextAt }: Seed, now: number): Promise<void> {
  const found = await findSchedule(tx, name)
  if (found === undefined) {
    if (cron !== undefined) await insertSchedule(tx, { name, kind: name, payload: 'null', cron, timeZone: 'UTC', nextAt, updatedAt: now })
    return
  }
  if (found.version > 1) return
  if (cron === undefined) {
    if (found.isEnabled) await updateScheduleRow(tx, found.id, { isEnabled: false, nextAt: null })
  } else if (found.cron !== cron || !found.isEnabled) await updateScheduleRow(tx, found.id, { cron, isEnabled: true, nextAt })
}

/** Writes down the schedules of this program that are not there yet, and those that nobody decided on and that have another default now. */
export async function seedSchedules({ metadata, ports }: JobParts, kinds: Iterable<AnyJobKind>): Promise<void> {
  const now = ports.clock.now()
  const rows = new Map((await listRows(metadata.reader)).map((row) => [row.name, row]))
  const seeds: Seed[] = []
  for (const { name, schedule: cron } of kinds) {
    const row = rows.get(name)
    const isAsItShallBe = row === undefined ? cron === undefined : row.version > 1 || (row.isEnabled ? row.cron : undefined) === cron
    if (!isAsItShallBe) seeds.push({ name, cron, nextAt: cron === undefined ? null : firstTime({ cron, timeZone: 'UTC' }, now) })
  }
  if (seeds.length > 0) await metadata.write(seed, { seeds, now })
}

function firstTime(repetition: Pick<ScheduleRecord, 'cron' | 'timeZone'>, now: number): number | null {
  const interval = intervalOf(repetition.cron)
  if (interval !== undefined) return now + Math.min(interval, firstRunMs)
  return nextTime(repetition, now) ?? null
}

/** All schedules by name. */
export function listSchedules({ parts }: Jobs): Promise<ScheduleRecord[]> {
  return listRows(parts.metadata.reader)
}

/** The schedule of that name. Throws RESOURCE_UNKNOWN. */
export function readSchedule({ parts }: Jobs, name: string): Promise<ScheduleRecord> {
  return scheduleIn(parts.metadata.reader, name)
}

async function scheduleIn(reader: Reader | Transactor, name: string): Promise<ScheduleRecord> {
  const found = await findSchedule(reader, name)
  if (found === undefined) throw resourceUnknown('schedule', name)
  return found
}

/** What somebody decides of a schedule. */
export interface ScheduleDecision {
  readonly cron?: string | undefined
  readonly timeZone?: string | undefined
  readonly isEnabled?: boolean | undefined
}

interface Update {
  readonly name: string
  readonly decision: ScheduleDecision
  readonly expectedVersion: number | undefined
  readonly who: Who
  readonly now: number
  /** The next time that follows, if the schedule is then as it was read. */
  readonly nextAt: number | null
  readonly readVersion: number
}

const update = transaction(import.meta.url, 'schedules/update', async (tx, input: Update): Promise<ScheduleRecord | 'changed'> => {
  const { name, decision, expectedVersion, who, now, nextAt } = input
  const found = await scheduleIn(tx, name)
  if (expectedVersion !== undefined && found.version !== expectedVersion)
    throw new RegistryError('PRECONDITION_FAILED', undefined, { message: 'the schedule was changed meanwhile: read it again' })
  if (found.version !== input.readVersion) return 'changed'
  const changed = (['cron', 'timeZone', 'isEnabled'] as const).filter((member) => (decision[member] ?? found[member]) !== found[member])
  if (changed.length === 0) return found
  await updateScheduleRow(tx, found.id, { ...decision, nextAt, decidedAt: now })
  const detail = Object.fromEntries(changed.map((member) => [member, decision[member]]))
  await recordEvent(tx, { action: 'schedule.updated', target: `schedule:${name}`, detail, at: now, ...who })
  return await scheduleIn(tx, name)
})

/** Tries against others who change the same schedule. */
const updatesMax = 5

/** Changes when it runs, or whether. Throws RESOURCE_UNKNOWN, REQUEST_INVALID for a time that is none, and PRECONDITION_FAILED for another version. */
export async function updateSchedule(
  { parts }: Jobs,
  change: { readonly name: string; readonly decision: ScheduleDecision; readonly expectedVersion: number | undefined },
  who: Who,
): Promise<ScheduleRecord> {
  const { metadata, ports } = parts
  for (let attempt = 0; attempt < updatesMax; attempt++) {
    const found = await scheduleIn(metadata.reader, change.name)
    const next = { ...found, ...definedOf(change.decision) }
    const fault = faultOf(next)
    if (fault !== undefined) throw new RegistryError('REQUEST_INVALID', { cron: next.cron, timeZone: next.timeZone }, { message: fault })
    const now = ports.clock.now()
    const nextAt = next.isEnabled ? (nextTime(next, now) ?? null) : null
    const updated = await metadata.write(update, { ...change, who, now, nextAt, readVersion: found.version })
    if (updated !== 'changed') return updated
  }
  throw new RegistryError('CONFLICT', undefined, { message: 'others change the schedule all the time: try again' })
}

function definedOf({ cron, timeZone, isEnabled }: ScheduleDecision): Partial<Pick<ScheduleRecord, 'cron' | 'timeZone' | 'isEnabled'>> {
  return { ...(cron !== undefined && { cron }), ...(timeZone !== undefined && { timeZone }), ...(isEnabled !== undefined && { isEnabled }) }
}

/** Of the jobs that a schedule makes: while one waits or runs there is no second one. */
export function keyOfSchedule(name: string): string {
  return `schedule:${name}`
}

interface RunNow {
  readonly name: string
  readonly who: Who
  readonly now: number
  readonly attemptsMax: number | undefined
}

const runNow = transaction(import.meta.url, 'schedules/run-now', async (tx, { name, who, now, attemptsMax }: RunNow): Promise<Enqueued> => {
  const { kind, payload } = await scheduleIn(tx, name)
  return startJob(tx, { kind, payload: JSON.parse(payload) as unknown, uniqueKey: keyOfSchedule(name), attemptsMax, now }, who)
})

/** Makes its job now, beside its times; `isNew` is false when one waits or runs already. Throws RESOURCE_UNKNOWN. */
export async function runSchedule({ parts, kinds }: Jobs, name: string, who: Who): Promise<Enqueued> {
  const { kind } = await scheduleIn(parts.metadata.reader, name)
  return parts.metadata.write(runNow, { name, who, now: parts.ports.clock.now(), attemptsMax: kinds.get(kind)?.attemptsMax })
}
