/** What looking into images costs, for Prometheus. */
import { Counter, Gauge, Histogram, type Registry as PrometheusRegistry } from 'prom-client'

/** Read at each scrape. */
interface ContentsFigures {
  /** Bytes of memory that lists of files take. */
  readonly cacheBytes: () => number
  /** Layers that are being unpacked. */
  readonly reading: () => number
}

/** Counts what was done. */
export interface ContentsMetrics {
  /** A layer was read to its end, found unreadable, or was not come to the end of. */
  layerRead(outcome: 'read' | 'unreadable' | 'failed', seconds: number): void
  /** An archive was taken, refused, or broke off. */
  imported(outcome: 'taken' | 'refused' | 'failed', bytes: number): void
}

/** Adds the series to the registry. */
export function watchContents(registry: PrometheusRegistry, figures: ContentsFigures): ContentsMetrics {
  const registers = [registry]
  const layers = new Counter({
    name: 'registry_contents_layers_total',
    help: 'Layers that were read for the files in them, by what came out',
    labelNames: ['outcome'],
    registers,
  })
  const seconds = new Histogram({
    name: 'registry_contents_layer_seconds',
    help: 'How long reading a layer took',
    buckets: [0.05, 0.2, 1, 5, 20, 60, 300],
    registers,
  })
  const archives = new Counter({
    name: 'registry_imports_total',
    help: 'Archives that were sent to be imported, by what came out',
    labelNames: ['outcome'],
    registers,
  })
  const archiveBytes = new Counter({ name: 'registry_import_bytes_total', help: 'Bytes of archives that were imported', registers })
  const watch = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  watch('registry_contents_cache_bytes', 'Memory for lists of the files of layers, about', figures.cacheBytes)
  watch('registry_contents_reading', 'Layers that are being unpacked', figures.reading)
  return {
    layerRead(outcome, took) {
      layers.inc({ outcome })
      seconds.observe(took)
    },
    imported(outcome, bytes) {
      archives.inc({ outcome })
      archiveBytes.inc(bytes)
    },
  }
}
