/** What live updates tell of themselves, for Prometheus. */
import { Counter, Gauge, type Registry as PrometheusRegistry } from 'prom-client'

/** Why a connection ended: the client went, the server ends, the session or a right went, it read too slowly, the database could not be read. */
export type LiveEnd = 'client' | 'closing' | 'right' | 'slow' | 'error'

/** What counts them. */
export interface LiveMetrics {
  opened(): void
  ended(reason: LiveEnd): void
}

/** Adds the series to the registry. */
export function createLiveMetrics(registry: PrometheusRegistry): LiveMetrics {
  const registers = [registry]
  const open = new Gauge({ name: 'registry_live_connections', help: 'Connections that get live updates', registers })
  const ends = new Counter({
    name: 'registry_live_connections_ended_total',
    help: 'Connections with live updates that ended, by why',
    labelNames: ['reason'],
    registers,
  })
  return {
    opened: () => open.inc(),
    ended(reason) {
      open.dec()
      ends.inc({ reason })
    },
  }
}
