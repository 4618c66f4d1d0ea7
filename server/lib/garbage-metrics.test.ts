import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { createGarbageMetrics } from './garbage-metrics.ts'

test('a scrape reads the numbers of garbage collection once, and shows those of now', async () => {
  const registry = new Registry()
  let reads = 0
  const runs = createGarbageMetrics(registry, async () => ({
    queue: { manifest: 1, link: 2, blob: 3 },
    oldestDueSeconds: 4,
    reclaimable: { now: { bytes: 5 }, later: { bytes: ++reads } },
    leaving: { bytes: 7 },
    freed: { freedBytes: 8 },
  }))
  runs.countRun('done')
  for (const read of [1, 2]) {
    const page = await registry.metrics()
    assert.equal(reads, read)
    assert.match(page, new RegExp(`registry_garbage_reclaimable_bytes\\{when="later"\\} ${read}\n`))
    for (const line of ['registry_garbage_queue{kind="link"} 2', 'registry_garbage_oldest_due_seconds 4', 'registry_garbage_freed_bytes 8'])
      assert.ok(page.includes(`${line}\n`), line)
    assert.ok(page.includes('registry_garbage_runs_total{outcome="done"} 1\n'))
  }
})
