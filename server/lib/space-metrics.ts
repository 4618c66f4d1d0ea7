/** How full the disk of the blobs is, for Prometheus. */
import { Gauge, type Registry as PrometheusRegistry } from 'prom-client'

/** Undefined where nobody can tell: of an object store. */
export interface SpaceFigures {
  readonly freeBytes: number
  readonly totalBytes: number
}

/** Adds the series to the registry; there is none while the disk cannot be asked. */
export function watchSpace(registry: PrometheusRegistry, read: () => Promise<SpaceFigures | undefined>): void {
  const gauge = (name: string, help: string, of: (figures: SpaceFigures) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const figures = await read().catch(() => undefined)
        if (figures === undefined) this.remove()
        else this.set(of(figures))
      },
    })
  gauge('registry_storage_free_bytes', 'Free bytes of the file system that the blobs are on', ({ freeBytes }) => freeBytes)
  gauge('registry_storage_size_bytes', 'All bytes of the file system that the blobs are on', ({ totalBytes }) => totalBytes)
}
