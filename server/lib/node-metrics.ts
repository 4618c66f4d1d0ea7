/** Which nodes there are, and how this one's clock goes, for Prometheus. */
import { Gauge, type Registry as PrometheusRegistry } from 'prom-client'

/** Read at each scrape. */
export interface NodeFigures {
  readonly states: () => Promise<readonly ('serving' | 'draining' | 'silent')[]>
  /** Undefined where it is not known. */
  readonly clockOffsetMs: () => number | undefined
}

/** Adds the series to the registry. */
export function watchNodes(registry: PrometheusRegistry, { states, clockOffsetMs }: NodeFigures): void {
  new Gauge({
    name: 'registry_nodes',
    help: 'Processes that serve on this database, by their signs of life',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      const found = await states()
      for (const state of ['serving', 'draining', 'silent'] as const) this.set({ state }, found.filter((each) => each === state).length)
    },
  })
  new Gauge({
    name: 'registry_node_clock_offset_seconds',
    help: "By how much this process's clock is ahead of the database's",
    registers: [registry],
    collect() {
      const offset = clockOffsetMs()
      if (offset !== undefined) this.set(offset / 1000)
    },
  })
}
