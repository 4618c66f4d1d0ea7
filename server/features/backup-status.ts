/** How a registry's backups stand, for people. */
import { keyOfSchedule } from '#jobs/schedules.ts'
import { readBackupStatus, type BackupStatus } from '#metadata/backup-status.ts'
import { findJob, jobOfKey } from '#metadata/jobs.ts'
import { findSchedule } from '#metadata/schedules.ts'
import type { Reader } from '#metadata/metadata.ts'
import { backupKinds } from './backup.ts'

/** With what is under way, and what comes. */
export interface BackupOverview extends BackupStatus {
  readonly current: { readonly jobId: number; readonly state: 'waiting' | 'running' } | undefined
  /** Null: not by itself. */
  readonly nextAt: number | null
}

/** Reads rows alone, not the place. */
export async function readBackupOverview(reader: Reader): Promise<BackupOverview> {
  const jobId = await jobOfKey(reader, keyOfSchedule(backupKinds.create))
  const job = jobId === undefined ? undefined : await findJob(reader, jobId)
  const schedule = await findSchedule(reader, backupKinds.create)
  return {
    ...(await readBackupStatus(reader)),
    current: job && { jobId: job.id, state: job.state === 'running' ? 'running' : 'waiting' },
    nextAt: schedule?.isEnabled === true ? schedule.nextAt : null,
  }
}
