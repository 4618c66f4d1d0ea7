/** When certificates end, and how their renewals went, for Prometheus. */
import { Counter, Gauge, type Registry as PrometheusRegistry } from 'prom-client'

/** Read at each scrape: milliseconds since the epoch. */
export type CertificateEnds = () => Promise<readonly { readonly name: string; readonly source: string; readonly notAfter: number }[]>

/** Adds the series to the registry. The result counts tries of this process. */
export function watchCertificates(
  registry: PrometheusRegistry,
  ends: CertificateEnds,
): { countRenewal(outcome: 'success' | 'failure'): void } {
  const registers = [registry]
  new Gauge({
    name: 'registry_certificate_expiry_timestamp_seconds',
    help: 'When a certificate of the listener ends, in seconds since the epoch',
    labelNames: ['name', 'source'],
    registers,
    async collect() {
      this.reset()
      for (const { name, source, notAfter } of await ends()) this.set({ name, source }, notAfter / 1000)
    },
  })
  const renewals = new Counter({
    name: 'registry_certificate_renewals_total',
    help: 'Tries of this process to get a certificate by ACME, by how they ended',
    labelNames: ['outcome'],
    registers,
  })
  for (const outcome of ['success', 'failure']) renewals.inc({ outcome }, 0)
  return { countRenewal: (outcome) => renewals.inc({ outcome }) }
}
