/** How backups went until now: a row of `settings`, written by whoever makes and proves them. */
import type { Reader, Transactor } from './metadata.ts'
import { findSetting, putSetting } from './settings.ts'

const setting = 'backup.status'

/** The job that makes backups, and the name of its schedule; it stands in rows. */
export const backupJob = 'create-backup'

/** Instants are milliseconds. */
export interface BackupStatus {
  readonly successAt?: number | undefined
  readonly id?: string | undefined
  readonly durationMs?: number | undefined
  /** Of all blobs and rows of the last one, and what of it was not in the place before. */
  readonly bytes?: number | undefined
  readonly addedBytes?: number | undefined
  readonly missingBlobs?: number | undefined
  readonly failures: number
  readonly failedAt?: number | undefined
  readonly error?: string | undefined
  readonly verifiedAt?: number | undefined
  readonly brokenBackups?: number | undefined
}

/** Of no backup yet, where there is none. */
export async function readBackupStatus(reader: Reader | Transactor): Promise<BackupStatus> {
  return ((await findSetting(reader, setting)) as BackupStatus | undefined) ?? { failures: 0 }
}

/** Replaces it. */
export async function putBackupStatus(tx: Transactor, status: BackupStatus): Promise<void> {
  await putSetting(tx, setting, status)
}
