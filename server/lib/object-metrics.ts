/** What requests to an object store tell of themselves, for Prometheus. */
import { Counter, Histogram, type Registry as PrometheusRegistry } from 'prom-client'

/** Adds the series to the registry; gives what takes each measurement: the store, the request, its outcome, its seconds. */
export function createObjectMetrics(
  registry: PrometheusRegistry,
): (store: string, request: string, outcome: string, seconds: number) => void {
  const registers = [registry]
  const requests = new Counter({
    name: 'registry_object_store_requests_total',
    help: 'Requests to the object store, each attempt by itself, by how they went (`busy`, `passing`: repeated)',
    labelNames: ['store', 'request', 'outcome'],
    registers,
  })
  const seconds = new Histogram({
    name: 'registry_object_store_request_seconds',
    help: 'Until the answer of the object store began, of each attempt',
    labelNames: ['store', 'request'],
    buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15],
    registers,
  })
  return (store, request, outcome, took) => {
    requests.inc({ store, request, outcome })
    if (outcome !== 'refused by the breaker') seconds.observe({ store, request }, took)
  }
}
