/** What pull statistics, and statistics over time, tell of themselves, for Prometheus. */
import { Gauge, type Registry as PrometheusRegistry } from 'prom-client'

/** Read at each scrape. */
interface PullFigures {
  readonly pending: number
  readonly dropped: number
}

/** Adds the series to the registry. */
export function watchPulls(registry: PrometheusRegistry, figures: PullFigures): void {
  const registers = [registry]
  const watch = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  watch('registry_pull_statistics_pending', 'Counters of pulls that wait in memory to be written', () => figures.pending)
  watch('registry_pull_statistics_dropped', 'Pulls that were not counted for want of room, since the start', () => figures.dropped)
}

/** The same for what is counted over time. */
export function watchTraffic(registry: PrometheusRegistry, figures: { readonly pending: number }): void {
  new Gauge({
    name: 'registry_statistics_pending',
    help: 'Counters of the statistics over time that wait in memory to be written',
    registers: [registry],
    collect() {
      this.set(figures.pending)
    },
  })
}
