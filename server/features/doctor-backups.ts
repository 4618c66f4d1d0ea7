/** Whether backups are made as they are meant to be: looks at rows alone, not at their place. */
import { nextTime } from '#jobs/next-time.ts'
import { backupJob, readBackupStatus, type BackupStatus } from '#metadata/backup-status.ts'
import type { Reader } from '#metadata/metadata.ts'
import { findSchedule } from '#metadata/schedules.ts'
import { fine, warning, type Diagnosis } from './doctor-check.ts'
import type { DoctorParts } from './doctor-files.ts'

/** Nothing to say where no place for backups is named, or the first start has not come yet. */
export async function checkBackups({ config, ports }: DoctorParts, reader: Reader): Promise<readonly Diagnosis[]> {
  if (config.backup.place === undefined) return []
  const schedule = await findSchedule(reader, backupJob)
  if (schedule === undefined) return []
  const status = await readBackupStatus(reader)
  const faults = faultsOf(status)
  const now = ports.clock.now()
  const isTimed = schedule.isEnabled && schedule.cron !== ''
  // Two times have come since, and none of them left a backup. Of a schedule whose backups never were: since its last time.
  const late = twoTimesAfter(schedule, status.successAt ?? schedule.lastAt ?? now)
  if (isTimed && late !== undefined && late <= now)
    return [warning('backups', `${ageOf(status, now)}, though its schedule is ${schedule.cron}: see berth backup status`), ...faults]
  if (faults.length > 0) return faults
  return [fine('backups', status.successAt === undefined ? 'none was made yet' : ageOf(status, now))]
}

function twoTimesAfter(schedule: Parameters<typeof nextTime>[0], at: number): number | undefined {
  const next = nextTime(schedule, at)
  return next === undefined ? undefined : nextTime(schedule, next)
}

const hourMs = 3_600_000
const longHours = 48

function ageOf({ successAt }: BackupStatus, now: number): string {
  if (successAt === undefined) return 'no backup was made yet'
  const hours = Math.max(0, Math.floor((now - successAt) / hourMs))
  return `the newest backup is ${hours < longHours ? `${hours} hours` : `${Math.floor(hours / 24)} days`} old`
}

function faultsOf({ failedAt, error = '', missingBlobs = 0, brokenBackups = 0 }: BackupStatus): readonly Diagnosis[] {
  const found: Diagnosis[] = []
  if (failedAt !== undefined) found.push(warning('backups', `the last one failed: ${error}`))
  if (missingBlobs > 0)
    found.push(
      warning('backups', `${missingBlobs} blobs are not in the last one, for their bytes could not be had: berth scrub says which`),
    )
  if (brokenBackups > 0)
    found.push(warning('backups', `${brokenBackups} were found broken when all were proved last: make one, and prove them again`))
  return found
}
