/** Every kind of job that this program can run; main.ts gives the list to the room of jobs. To add one, add a line. */
import type { Config } from '#config/config.ts'
import { renewCertificatesJob, type RenewalListener } from '#features/acme-job.ts'
import type { AcmeParts } from '#features/acme-store.ts'
import { createBackupJob, pruneBackupsJob, verifyBackupsJob, type BackupParts } from '#features/backup.ts'
import { forgetTokensJob, pruneEventsJob, purgeUploadsJob } from '#features/housekeeping-jobs.ts'
import { expireTagsJob } from '#features/expire-tags.ts'
import { retentionJob } from '#features/retention-job.ts'
import { retentionScheduleJob } from '#features/retention-schedule.ts'
import { deleteOrphansJob } from '#features/scrub-orphans.ts'
import { scrubJob } from '#features/scrub.ts'
import { foldUsageJob, recountUsageJob } from '#features/usage-jobs.ts'
import { migrateStorageJob } from '#features/storage-migrate.ts'
import { moveToColdJob } from '#features/storage-tiers.ts'
import { createJobs } from '#jobs/create-jobs.ts'
import type { AnyJobKind, Jobs } from '#jobs/jobs.ts'
import { trashPurge } from '#registry/purge-trash.ts'
import { collectGarbageJob, reviewUntaggedJob } from '#registry/collect-garbage-job.ts'
import type { Registry } from '#registry/registry.ts'

/** What jobs have others do: no feature knows another. */
interface JobHooks {
  /** Writes the pulls that wait to be written. */
  readonly flushPulls: () => Promise<void>
  /** For metrics. */
  readonly onScrubRead?: ((bytes: number) => void) | undefined
  /** Undefined: no place for them is configured. */
  readonly backups?: BackupParts | undefined
  /** Where certificates by ACME are kept; asked for only where some are configured. */
  readonly certificates?: { readonly parts: AcmeParts; readonly onEnd?: RenewalListener | undefined } | undefined
}

/** The room of jobs, with all kinds. */
export function openJobs(registry: Registry, config: Config, hooks: JobHooks): Jobs {
  const { ports, log } = registry.context
  return createJobs({ metadata: registry.metadata, ports, log, kinds: jobKindsOf(registry, config, hooks) })
}

/** In the order in which lists show them. */
export function jobKindsOf(
  registry: Registry,
  config: Config,
  { flushPulls, onScrubRead, certificates, backups }: JobHooks,
): readonly AnyJobKind[] {
  const keeping = { uploadPurging: config.storage.uploadPurging, retentionMs: config.audit.retentionMs }
  const counting = { metadata: registry.metadata, clock: registry.context.ports.clock }
  const { acme } = config.http.tls ?? {}
  const { tiers } = config.storage
  return [
    collectGarbageJob(registry),
    reviewUntaggedJob(registry),
    trashPurge(registry),
    purgeUploadsJob(registry, keeping),
    expireTagsJob(registry),
    retentionJob(registry, { flushPulls }),
    retentionScheduleJob(registry),
    forgetTokensJob(registry),
    pruneEventsJob(registry, keeping),
    foldUsageJob(counting),
    recountUsageJob(counting),
    scrubJob(registry, config.scrub, { onRead: onScrubRead }),
    deleteOrphansJob(registry),
    migrateStorageJob(registry),
    ...(tiers === undefined ? [] : [moveToColdJob(registry, { tiers, flushPulls })]),
    ...(backups === undefined
      ? []
      : [createBackupJob(backups, config.backup.schedule), verifyBackupsJob(backups), pruneBackupsJob(backups)]),
    ...(acme === undefined || certificates === undefined ? [] : [renewCertificatesJob(certificates.parts, acme, certificates.onEnd)]),
  ]
}
