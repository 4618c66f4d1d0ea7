import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from './metrics.ts'

test('requests are counted under the names of registry:2, and once more under the alias', async () => {
  using metrics = createMetrics()
  metrics.http.begin('manifest')
  metrics.http.begin('manifest')
  metrics.http.end({ handler: 'manifest', method: 'get', status: 200, durationSeconds: 0.02, receivedBytes: 0, sentBytes: 500 })
  const page = await metrics.registry.metrics()
  for (const line of [
    'registry_http_requests_total{code="200",handler="manifest",method="get"} 1',
    'registry_requests_total{code="200",handler="manifest",method="get"} 1',
    'registry_http_in_flight_requests{handler="manifest"} 1',
    'registry_http_request_duration_seconds_bucket{le="0.025",handler="manifest",method="get"} 1',
    'registry_http_request_duration_seconds_bucket{le="0.01",handler="manifest",method="get"} 0',
    'registry_http_response_size_bytes_sum{handler="manifest"} 500',
    'registry_http_request_size_bytes_count{handler="manifest"} 1',
    'registry_http_sent_bytes_total 500',
  ])
    assert.ok(page.includes(`${line}\n`), line)
})

test('storage actions are a histogram by driver and action', async () => {
  using metrics = createMetrics()
  metrics.observeStorage('filesystem', 'Stat', 0.001)
  metrics.observeStorage('filesystem', 'Stat', 0.003)
  const page = await metrics.registry.metrics()
  assert.match(page, /registry_storage_action_seconds_count\{driver="filesystem",action="Stat"\} 2/)
})

test('the lag of the event loop, the open uploads and the process itself are told', async () => {
  using metrics = createMetrics()
  metrics.openUploads.set(3)
  const page = await metrics.registry.metrics()
  assert.match(page, /registry_storage_open_uploads 3/)
  assert.match(page, /registry_storage_quarantined_blobs_total 0/)
  assert.match(page, /registry_event_loop_lag_seconds\{quantile="1"\} \d/)
  assert.match(page, /process_resident_memory_bytes \d/)
})

test('the audit is asked at each scrape, and limited requests are counted', async () => {
  using metrics = createMetrics()
  let pending = 3
  metrics.watchAudit({
    pending: () => pending,
    flushFailures: () => 1,
    droppedPulls: () => 0,
    unsealedSeconds: () => Promise.resolve(12.5),
  })
  metrics.limited('address')
  pending = 4
  const page = await metrics.registry.metrics()
  for (const line of [
    'registry_audit_pending 4',
    'registry_audit_flush_failures 1',
    'registry_audit_dropped_pulls 0',
    'registry_audit_unsealed_seconds 12.5',
    'registry_http_rate_limited_total{limit="address"} 1',
  ])
    assert.ok(page.includes(`\n${line}\n`), line)
})
