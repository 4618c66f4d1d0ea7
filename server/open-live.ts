/** Wires where live updates come from, and what counts for the statistics over time. */
import { createLiveActivity } from '#features/audit-live.ts'
import { createTraffic, type Traffic } from '#features/statistics-count.ts'
import type { LiveParts } from '#http/live-connections.ts'
import { createJobWatch } from '#jobs/watch-jobs.ts'
import { createLiveMetrics } from '#lib/live-metrics.ts'
import { watchTraffic } from '#lib/pull-metrics.ts'
import type { Berth } from './main.ts'

/** Looks at nothing until somebody asks for it. */
export function openLive({ activity, registry, metrics, context }: Berth, stack: AsyncDisposableStack): LiveParts {
  const { metadata } = registry
  return {
    activity: stack.use(createLiveActivity({ activity, metadata })),
    jobs: stack.use(createJobWatch({ metadata, ...context })),
    metrics: createLiveMetrics(metrics.registry),
  }
}

/** What it has counted last is written when the stack ends. */
export function openTraffic({ registry, metrics, context }: Berth, stack: AsyncDisposableStack): Traffic {
  const traffic = stack.use(createTraffic({ metadata: registry.metadata, ...context }))
  watchTraffic(metrics.registry, traffic)
  return traffic
}
