/**
 * The scheduler: of all processes the one that leads makes the jobs whose time has come.
 *
 * A time that was missed (nobody ran, the clock jumped) makes one job, not one for each time; the next time is counted from now. Each turn of a schedule
 * names the time that it is for, so two leaders, if ever there were two, make one job. A clock that goes back some minutes makes the schedule wait; one
 * that was years ahead and is set right is noticed by runs in the future, and the times are counted anew.
 */
import { holdsLease } from '#metadata/leases.ts'
import { findSchedule, listSchedules, updateScheduleRow, type ScheduleRecord } from '#metadata/schedules.ts'
import { transaction } from '#metadata/transaction.ts'
import { enqueueJob } from './enqueue-job.ts'
import type { AnyJobKind, JobParts } from './jobs.ts'
import { lead } from './leadership.ts'
import { nextTime } from './next-time.ts'
import { keyOfSchedule } from './schedules.ts'

const leaseName = 'scheduler'
const turnMs = 5_000
/** A run this far in the future was made by a clock that was wrong. */
const wrongClockMs = 60 * 60_000

interface Turn {
  readonly scheduleId: number
  readonly name: string
  /** The time that it is for. */
  readonly expectedAt: number
  readonly nextAt: number | null
  readonly attemptsMax: number | undefined
  readonly fence: number
  readonly now: number
  /** The clock was wrong: only the next time is set. */
  readonly isCorrection: boolean
}

const fire = transaction(import.meta.url, 'scheduler/fire', async (tx, turn: Turn): Promise<number | undefined> => {
  const { name, expectedAt, nextAt, now } = turn
  if (!(await holdsLease(tx, { name: leaseName, fence: turn.fence }))) return undefined
  const found = await findSchedule(tx, name)
  if (found === undefined || !found.isEnabled || found.nextAt !== expectedAt) return undefined
  if (turn.isCorrection) {
    await updateScheduleRow(tx, turn.scheduleId, { nextAt, lastAt: now })
    return undefined
  }
  const { jobId } = await enqueueJob(tx, {
    kind: found.kind,
    payload: JSON.parse(found.payload) as unknown,
    uniqueKey: keyOfSchedule(name),
    attemptsMax: turn.attemptsMax,
    createdBy: `schedule:${name}`,
    now,
  })
  await updateScheduleRow(tx, turn.scheduleId, { nextAt, lastAt: now, lastJobId: jobId })
  return jobId
})

/** Of {@link startScheduler}. */
export interface SchedulerOptions {
  readonly kinds: ReadonlyMap<string, AnyJobKind>
  readonly isAlone: boolean | undefined
  /** Called when jobs were made. */
  readonly onFired: () => void
}

/** Begins to look at the clock. A schedule whose kind this program does not know is left to a newer one. */
export function startScheduler(parts: JobParts, { kinds, isAlone, onFired }: SchedulerOptions): AsyncDisposable {
  const leadership = lead(parts, { name: leaseName, isAlone })
  let isFailing = false
  const turn = async () => {
    const fence = leadership.fence()
    if (fence === undefined) return
    try {
      if ((await fireDue(parts, kinds, fence)) > 0) onFired()
      isFailing = false
    } catch (error) {
      if (!isFailing) parts.log.warn({ err: error }, 'schedules cannot be looked at; it is tried again every few seconds')
      isFailing = true
    }
  }
  let current = leadership.begun.then(turn)
  let isBusy = true
  const rest = () => (isBusy = false)
  void current.then(rest)
  const timer = parts.ports.timers.every(turnMs, () => {
    if (isBusy) return
    isBusy = true
    current = turn()
    void current.then(rest)
  })
  return {
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await current
      await leadership[Symbol.asyncDispose]()
    },
  }
}

/** How many jobs it made. */
async function fireDue({ metadata, ports }: JobParts, kinds: ReadonlyMap<string, AnyJobKind>, fence: number): Promise<number> {
  const now = ports.clock.now()
  let fired = 0
  for (const schedule of await listSchedules(metadata.reader)) {
    const kind = kinds.get(schedule.kind)
    if (kind === undefined || !schedule.isEnabled || schedule.nextAt === null) continue
    const isCorrection = isOfWrongClock(schedule, now)
    if (schedule.nextAt > now && !isCorrection) continue
    const jobId = await metadata.write(fire, {
      scheduleId: schedule.id,
      name: schedule.name,
      expectedAt: schedule.nextAt,
      nextAt: nextTime(schedule, now) ?? null,
      attemptsMax: kind.attemptsMax,
      fence,
      now,
      isCorrection,
    })
    if (jobId !== undefined) fired++
  }
  return fired
}

function isOfWrongClock({ lastAt, updatedAt, nextAt }: ScheduleRecord, now: number): boolean {
  return nextAt !== null && nextAt > now && (lastAt ?? updatedAt) - now > wrongClockMs
}
