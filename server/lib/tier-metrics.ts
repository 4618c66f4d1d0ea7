/** What comes back from the cold store, for Prometheus. */
import { Counter, type Registry as PrometheusRegistry } from 'prom-client'

/** Adds the series to the registry; gives what takes each return. */
export function createTierMetrics(registry: PrometheusRegistry): (outcome: string, sizeBytes: number) => void {
  const registers = [registry]
  const blobs = new Counter({
    name: 'registry_tier_returns_total',
    help: 'Blobs that were pulled from the cold store: `returned` to the primary one, `failed`, `skipped` (others were on their way)',
    labelNames: ['outcome'],
    registers,
  })
  const bytes = new Counter({ name: 'registry_tier_returned_bytes_total', help: 'Bytes that came back from the cold store', registers })
  return (outcome, sizeBytes) => {
    blobs.inc({ outcome })
    if (outcome === 'returned') bytes.inc(sizeBytes)
  }
}
