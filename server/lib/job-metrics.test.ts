import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from './metrics.ts'

test('what jobs tell of themselves is asked for at each scrape, and what no longer waits is not shown', async () => {
  using metrics = createMetrics()
  let counts = [
    { kind: 'scrub', state: 'running', count: 1 },
    { kind: 'scrub', state: 'waiting', count: 2 },
  ]
  metrics.watchJobs({ counts: async () => counts, queueSeconds: async () => 12.5 })
  metrics.countJob({ kind: 'scrub', outcome: 'done', durationMs: 250 })
  metrics.countJob({ kind: 'scrub', outcome: 'failed', durationMs: 5_000 })
  const first = await metrics.registry.metrics()
  for (const line of [
    'registry_jobs{kind="scrub",state="running"} 1',
    'registry_jobs{kind="scrub",state="waiting"} 2',
    'registry_jobs_queue_seconds 12.5',
    'registry_job_duration_seconds_count{kind="scrub",outcome="done"} 1',
    'registry_job_duration_seconds_sum{kind="scrub",outcome="failed"} 5',
  ])
    assert.ok(first.includes(line), line)
  counts = []
  assert.ok(!(await metrics.registry.metrics()).includes('registry_jobs{'))
})
