/** What operators watch of the journal in the store. */
import { Gauge, type Registry } from 'prom-client'

/** `lagMs`: of the oldest event that is not written yet. */
export function watchJournal(
  registry: Registry,
  figures: { readonly lagMs: () => Promise<number>; readonly bytes: () => Promise<number> },
): void {
  new Gauge({
    name: 'registry_journal_lag_seconds',
    help: 'How long ago the oldest thing happened that the journal in the store does not have yet; 0: it has all',
    registers: [registry],
    async collect() {
      this.set((await figures.lagMs()) / 1000)
    },
  })
  new Gauge({
    name: 'registry_journal_bytes',
    help: 'Bytes of the journal in the store',
    registers: [registry],
    async collect() {
      this.set(await figures.bytes())
    },
  })
}
