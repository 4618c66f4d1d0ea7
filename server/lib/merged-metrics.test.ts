import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { mergeMetrics } from './merged-metrics.ts'
import { watchCertificates } from './certificate-metrics.ts'
import { createMetrics } from './metrics.ts'
import { watchSpace } from './space-metrics.ts'

suite('metrics of several processes', () => {
  test('counts are added up, and what every process sees alike is told once', async () => {
    using first = createMetrics()
    using second = createMetrics()
    for (const metrics of [first, second]) {
      metrics.http.begin('blob')
      metrics.http.end({ handler: 'blob', method: 'get', status: 200, durationSeconds: 0.2, receivedBytes: 0, sentBytes: 10 })
      metrics.watchTrash(async () => ({ items: 7, sizeBytes: 70 }))
      metrics.quarantinedBlobs.inc()
      watchSpace(metrics.registry, async () => ({ freeBytes: 5, totalBytes: 50 }))
      watchCertificates(metrics.registry, async () => [{ name: 'a.example', source: 'file', notAfter: 90_000 }])
    }
    const text = await mergeMetrics([await first.registry.getMetricsAsJSON(), await second.registry.getMetricsAsJSON()])
    assert.match(text, /^registry_http_requests_total\{code="200",handler="blob",method="get"\} 2$/m)
    assert.match(text, /^registry_http_request_duration_seconds_count\{.*handler="blob".*\} 2$/m)
    assert.match(text, /^registry_http_sent_bytes_total 20$/m)
    assert.match(text, /^registry_trash_items 7$/m)
    assert.match(text, /^registry_storage_quarantined_blobs_total 1$/m)
    assert.match(text, /^registry_storage_free_bytes 5$/m)
    assert.match(text, /^registry_storage_size_bytes 50$/m)
    assert.match(text, /^registry_certificate_expiry_timestamp_seconds\{name="a.example",source="file"\} 90$/m)
    assert.match(text, /^registry_workers 2$/m)
  })

  test('a process that could not tell is left out', async () => {
    using only = createMetrics()
    assert.match(await mergeMetrics([await only.registry.getMetricsAsJSON()]), /^registry_workers 1$/m)
  })
})
