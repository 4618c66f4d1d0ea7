/** What operators watch of backups. */
import { Gauge, type Registry } from 'prom-client'

/** As rows have it, so that it is the same in every process. Instants are milliseconds. */
export interface BackupFigures {
  readonly successAt?: number | undefined
  readonly durationMs?: number | undefined
  readonly bytes?: number | undefined
  readonly addedBytes?: number | undefined
  readonly missingBlobs?: number | undefined
  readonly failures: number
  readonly verifiedAt?: number | undefined
  readonly brokenBackups?: number | undefined
}

const gauges: Readonly<Record<string, { readonly help: string; readonly valueOf: (figures: BackupFigures) => number }>> = {
  registry_backup_last_success_timestamp_seconds: {
    help: 'When the last backup was made, in seconds since the epoch; 0 before the first',
    valueOf: ({ successAt = 0 }) => successAt / 1000,
  },
  registry_backup_last_duration_seconds: {
    help: 'How long the last backup took',
    valueOf: ({ durationMs = 0 }) => durationMs / 1000,
  },
  registry_backup_last_bytes: { help: 'Bytes of all rows and blobs of the last backup', valueOf: ({ bytes = 0 }) => bytes },
  registry_backup_last_added_bytes: {
    help: 'Bytes of the last backup that were not in its place before',
    valueOf: ({ addedBytes = 0 }) => addedBytes,
  },
  registry_backup_last_missing_blobs: {
    help: 'Blobs of which the last backup has no bytes: they were missing or damaged',
    valueOf: ({ missingBlobs = 0 }) => missingBlobs,
  },
  registry_backup_failures: {
    help: 'Backups, and proofs of them, that failed since the database was made',
    valueOf: ({ failures }) => failures,
  },
  registry_backup_last_verified_timestamp_seconds: {
    help: 'When all backups were proved last, in seconds since the epoch; 0 for never',
    valueOf: ({ verifiedAt = 0 }) => verifiedAt / 1000,
  },
  registry_backup_broken: {
    help: 'Backups that were found broken when all were proved last',
    valueOf: ({ brokenBackups = 0 }) => brokenBackups,
  },
}

/** Asks for the figures whenever metrics are read. */
export function createBackupMetrics(registry: Registry, figures: () => Promise<BackupFigures>): void {
  for (const [name, { help, valueOf }] of Object.entries(gauges))
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.set(valueOf(await figures()))
      },
    })
}
