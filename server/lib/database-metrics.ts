/** What the connections to a database server tell of themselves, for Prometheus. */
import { Counter, Gauge, type Registry as PrometheusRegistry } from 'prom-client'

interface PoolFigures {
  readonly open: number
  readonly idle: number
  readonly waiting: number
}

/** Read at each scrape. The counts only grow. */
export interface DatabaseFigures {
  readonly isAway: boolean
  readonly reads: PoolFigures
  readonly writes: PoolFigures
  readonly counts: Readonly<Record<'conflicts' | 'repeats' | 'refusals' | 'unknown', number>>
}

/** Adds the series to the registry. */
export function watchDatabase(registry: PrometheusRegistry, read: () => DatabaseFigures): void {
  const registers = [registry]
  const pools = ['reads', 'writes'] as const
  const gauge = (name: string, help: string, of: (figures: PoolFigures) => number) =>
    new Gauge({
      name,
      help,
      registers,
      labelNames: ['pool'],
      collect() {
        const figures = read()
        for (const pool of pools) this.set({ pool }, of(figures[pool]))
      },
    })
  gauge('registry_database_connections', 'Open connections to the database', ({ open }) => open)
  gauge('registry_database_idle_connections', 'Connections to the database that do nothing', ({ idle }) => idle)
  gauge(
    'registry_database_waiting',
    'Reads and writes that wait for a connection, or for a database that is away',
    ({ waiting }) => waiting,
  )
  new Gauge({
    name: 'registry_database_away',
    help: '1 while no connection to the database can be made',
    registers,
    collect() {
      this.set(Number(read().isAway))
    },
  })
  const counter = (name: string, help: string, of: keyof DatabaseFigures['counts']) => {
    let seen = 0
    return new Counter({
      name,
      help,
      registers,
      collect() {
        const now = read().counts[of]
        this.inc(now - seen)
        seen = now
      },
    })
  }
  counter('registry_database_conflicts_total', 'Transactions that lost against another and began again', 'conflicts')
  counter('registry_database_repeats_total', 'Transactions that began again on another connection', 'repeats')
  counter('registry_database_refusals_total', 'Writes that waited in vain for the database', 'refusals')
  counter('registry_database_unknown_total', 'Writes of which it is not known whether they were committed', 'unknown')
}
