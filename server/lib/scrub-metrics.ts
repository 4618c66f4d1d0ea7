/** What is wrong with the store, and how old that knowledge is, for Prometheus. */
import { Counter, Gauge, type Registry as PrometheusRegistry } from 'prom-client'

/** What is read at each scrape. */
export interface ScrubFigures {
  /** Every kind, those of which there is nothing too. */
  readonly findings: () => Promise<readonly { readonly kind: string; readonly count: number }[]>
  /** Milliseconds since the epoch; undefined before the first full pass. */
  readonly lastEndedAt: () => Promise<number | undefined>
}

/** Adds the series to the registry. The result counts bytes that this process has read. */
export function watchScrub(registry: PrometheusRegistry, { findings, lastEndedAt }: ScrubFigures): { countBytes(bytes: number): void } {
  const registers = [registry]
  new Gauge({
    name: 'registry_scrub_last_completed_timestamp_seconds',
    help: 'When the last full pass of scrub ended, in seconds since the epoch; 0 before the first',
    registers,
    async collect() {
      this.set(((await lastEndedAt()) ?? 0) / 1000)
    },
  })
  new Gauge({
    name: 'registry_scrub_findings',
    help: 'What scrub knows to be wrong now, by kind',
    labelNames: ['kind'],
    registers,
    async collect() {
      for (const { kind, count } of await findings()) this.set({ kind }, count)
    },
  })
  const bytes = new Counter({
    name: 'registry_scrub_read_bytes_total',
    help: 'Bytes of blobs that scrub has read in this process',
    registers,
  })
  return { countBytes: (count) => bytes.inc(count) }
}
