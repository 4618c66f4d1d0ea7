/** What a read-through cache tells of itself, for Prometheus. */
import { Counter, Gauge, type Registry as PrometheusRegistry } from 'prom-client'

/** What of the cache is shown as it is. */
interface CacheFigures {
  readonly keptBytes: number
  readonly count: number
}

/** Adds the series to the registry. */
export function createCacheMetrics(registry: PrometheusRegistry): {
  readonly observe: (event: string, sizeBytes: number) => void
  readonly watch: (cache: CacheFigures) => void
} {
  const registers = [registry]
  const blobs = new Counter({
    name: 'registry_readthrough_blobs_total',
    help: 'Blobs by what the read-through cache did with them: `hit`, `miss` (filled), `shared` (read along with a fill), `bypassed`, `evicted`, `failed`, `damaged` (dropped), `checked` (hashed again)',
    labelNames: ['event'],
    registers,
  })
  const bytes = new Counter({
    name: 'registry_readthrough_bytes_total',
    help: 'The sizes of those blobs',
    labelNames: ['event'],
    registers,
  })
  return {
    observe(event, sizeBytes) {
      blobs.inc({ event })
      bytes.inc({ event }, sizeBytes)
    },
    watch(cache) {
      new Gauge({
        name: 'registry_readthrough_kept_bytes',
        help: 'Bytes in the read-through cache',
        registers,
        collect() {
          this.set(cache.keptBytes)
        },
      })
      new Gauge({
        name: 'registry_readthrough_kept_blobs',
        help: 'Blobs in the read-through cache',
        registers,
        collect() {
          this.set(cache.count)
        },
      })
    },
  }
}
