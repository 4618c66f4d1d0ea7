/** Figures that the rooms hand to metrics, and those that are gathered from what happens. */
import type { ActivityStream } from '#events/dispatch.ts'
import type { RecordedEvent } from '#events/event.ts'
import { oldestUnsealedAt } from '#events/seal.ts'
import type { AuditStream } from '#features/audit-stream.ts'
import type { Audit } from '#features/audit.ts'
import type { RetentionRunDetail } from '#features/retention-job.ts'
import type { Metrics } from '#lib/metrics.ts'
import type { Ports } from '#lib/ports.ts'
import type { Registry } from '#registry/registry.ts'

interface Watched {
  readonly audit: Audit
  readonly metrics: Metrics
  readonly registry: Registry
  readonly context: { readonly ports: Ports }
}

/** What the audit tells of itself. */
export function watchAudit({ audit, metrics, registry, context }: Watched, pulls: AuditStream): void {
  metrics.watchAudit({
    pending: () => audit.pending,
    flushFailures: () => audit.flushFailures,
    droppedPulls: () => pulls.dropped,
    async unsealedSeconds() {
      const at = await oldestUnsealedAt(registry.metadata)
      return at === undefined ? 0 : Math.max(0, (context.ports.clock.now() - at) / 1000)
    },
  })
}

/** Damage is counted whoever finds it, a scrub in another process included. */
export function countDamage({
  activity,
  metrics,
}: {
  readonly activity: ActivityStream
  readonly metrics: Metrics
}): Promise<AsyncDisposable> {
  const count = (event: RecordedEvent) => {
    if (event.action === 'blob.quarantined') metrics.quarantinedBlobs.inc()
    if (event.action === 'retention.run') metrics.countRetention(event.detail as unknown as RetentionRunDetail)
  }
  return activity.subscribe(count, { name: 'metrics', actions: ['blob.quarantined', 'retention.run'] })
}
