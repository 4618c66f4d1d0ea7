/** The series of garbage collection; metrics.ts has the rules. */
import { Counter, Gauge, type Registry as PrometheusRegistry } from 'prom-client'

/** What garbage collection tells of itself. Sizes in bytes. */
export interface GarbageFigures {
  readonly queue: Readonly<Record<'manifest' | 'link' | 'blob', number>>
  readonly oldestDueSeconds: number
  readonly reclaimable: { readonly now: { readonly bytes: number }; readonly later: { readonly bytes: number } }
  readonly leaving: { readonly bytes: number }
  readonly freed: { readonly freedBytes: number }
}

/** Counts the runs of this process. */
export interface GarbageRuns {
  countRun(outcome: string): void
}

/** Makes the series. `read` is asked once a scrape: what it costs must not depend on what is stored. */
export function createGarbageMetrics(registry: PrometheusRegistry, read: () => Promise<GarbageFigures>): GarbageRuns {
  const registers = [registry]
  // All series of a scrape are asked for at once.
  let reading: Promise<GarbageFigures> | undefined
  const figures = () => (reading ??= read().finally(() => (reading = undefined)))
  const watch = (name: string, help: string, valuesOf: (found: GarbageFigures) => Readonly<Record<string, number>>, label?: string) =>
    new Gauge({
      name,
      help,
      labelNames: label === undefined ? [] : [label],
      registers,
      async collect() {
        for (const [value, number] of Object.entries(valuesOf(await figures())))
          this.set(label === undefined ? {} : { [label]: value }, number)
      },
    })
  watch('registry_garbage_queue', 'What waits to be looked at by garbage collection, by kind', ({ queue }) => ({ ...queue }), 'kind')
  watch(
    'registry_garbage_reclaimable_bytes',
    'Bytes that no manifest needs: now: the next collection takes them; later: all of them; readers: they are gone but for pulls under way',
    ({ reclaimable, leaving }) => ({ now: reclaimable.now.bytes, later: reclaimable.later.bytes, readers: leaving.bytes }),
    'when',
  )
  watch('registry_garbage_freed_bytes', 'Bytes that were freed since the database was made', ({ freed }) => ({ all: freed.freedBytes }))
  watch(
    'registry_garbage_oldest_due_seconds',
    'For how long what is due longest has waited; 0: nothing is due',
    ({ oldestDueSeconds }) => ({
      all: oldestDueSeconds,
    }),
  )
  const runs = new Counter({
    name: 'registry_garbage_runs_total',
    help: 'Collections that this process ran, by how they ended',
    labelNames: ['outcome'],
    registers,
  })
  return { countRun: (outcome) => runs.inc({ outcome }) }
}
