/** Every kind of job that this program can run; main.ts gives the list to the room of jobs. To add one, add a line. */
import type { Config } from '#config/config.ts'
import { renewCertificatesJob, type RenewalListener } from '#features/acme-job.ts'
import type { AcmeParts } from '#features/acme-store.ts'
import { forgetTokensJob, pruneEventsJob, purgeUploadsJob } from '#features/housekeeping-jobs.ts'
import { expireTagsJob } from '#features/expire-tags.ts'
import { retentionJob } from '#features/retention-job.ts'
import { retentionScheduleJob } from '#features/retention-schedule.ts'
import { deleteOrphansJob } from '#features/scrub-orphans.ts'
import { scrubJob } from '#features/scrub.ts'
import { foldUsageJob, recountUsageJob } from '#features/usage-jobs.ts'
import type { AnyJobKind } from '#jobs/jobs.ts'
import { trashPurge } from '#registry/purge-trash.ts'
import { collectGarbageJob, reviewUntaggedJob } from '#registry/collect-garbage-job.ts'
import type { Registry } from '#registry/registry.ts'

/** What jobs have others do: no feature knows another. */
interface JobHooks {
  /** Writes the pulls that wait to be written. */
  readonly flushPulls: () => Promise<void>
  /** For metrics. */
  readonly onScrubRead?: ((bytes: number) => void) | undefined
  /** Where certificates by ACME are kept; asked for only where some are configured. */
  readonly certificates?: { readonly parts: AcmeParts; readonly onEnd?: RenewalListener | undefined } | undefined
}

/** In the order in which lists show them. */
export function jobKindsOf(registry: Registry, config: Config, { flushPulls, onScrubRead, certificates }: JobHooks): readonly AnyJobKind[] {
  const keeping = { uploadPurging: config.storage.uploadPurging, retentionMs: config.audit.retentionMs }
  const counting = { metadata: registry.metadata, clock: registry.context.ports.clock }
  const { acme } = config.http.tls ?? {}
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
    ...(acme === undefined || certificates === undefined ? [] : [renewCertificatesJob(certificates.parts, acme, certificates.onEnd)]),
  ]
}
