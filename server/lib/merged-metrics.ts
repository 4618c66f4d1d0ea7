/** One page for several processes on one machine: a scrape meets any of them, and shall see all. */
import { AggregatorRegistry, Gauge, type Registry as PrometheusRegistry } from 'prom-client'

/** The series of one process, as they travel between processes. */
export type MetricsPart = Awaited<ReturnType<PrometheusRegistry['getMetricsAsJSON']>>

/** Figures of the database and counts of what every process sees: the same everywhere, so the largest is the truth. All others are sums, or as prom-client says of its own. */
const seenByAll =
  /^registry_(?:trash_|jobs|garbage_(?!runs)|scrub_(?!read)|usage_|project_|event_loop_lag|audit_unsealed|storage_(?:quarantined|free|size)|certificate_expiry|retention_|node|backup_|journal_)/

/** The page that Prometheus reads. */
export function mergeMetrics(parts: readonly MetricsPart[]): Promise<string> {
  const marked = parts.map((part) =>
    part.map((metric) => (seenByAll.test(metric.name) ? Object.assign({}, metric, { aggregator: 'max' }) : metric)),
  )
  const merged = AggregatorRegistry.aggregate(marked)
  new Gauge({ name: 'registry_workers', help: 'Processes that answer behind this port', registers: [merged] }).set(parts.length)
  return merged.metrics()
}
