import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry as PrometheusRegistry } from 'prom-client'
import type { JobRun } from '#jobs/jobs.ts'
import { systemPorts } from '#lib/ports.ts'
import { watchUsage } from '#lib/usage-metrics.ts'
import { isRecounting } from '#metadata/usage-recounts.ts'
import { createProject } from '#projects/create-project.ts'
import { setQuota } from '#projects/quotas.ts'
import { openTestRegistry, pushBytes, repositoryA } from '#registry/test-registry.ts'
import { askForRecount } from '#registry/test-usage.ts'
import { foldUsageJob, readUsageFigures, recountUsageJob } from './usage-jobs.ts'

const who = { actor: 'root', requestId: 'r1' }

/** A run that keeps its cursor, and aborts after so many steps. */
function runOf(steps = Infinity): JobRun & { readonly saved: unknown[] } {
  const controller = new AbortController()
  const saved: unknown[] = []
  return {
    job: { id: 0, fence: 0 },
    signal: controller.signal,
    cursor: undefined,
    saved,
    async save(cursor) {
      saved.push(cursor)
      if (saved.length >= steps) controller.abort(new Error('stopped'))
    },
    report: () => undefined,
    log: () => undefined,
  }
}

test('recounts are done one after the other, and one that was stopped goes on from its cursor', async () => {
  await using at = await openTestRegistry()
  const { metadata, context } = at.registry
  const parts = { metadata, ports: context.ports }
  for (const name of ['team', 'other']) {
    const { id } = await createProject(parts, { name }, who)
    await metadata.write(askForRecount, id)
  }
  await pushBytes(at.registry, repositoryA, 'x')
  const job = recountUsageJob({ metadata, clock: systemPorts.clock })
  const first = runOf(1)
  await assert.rejects(job.run(first, undefined), /stopped/)
  assert.deepEqual(await job.run({ ...runOf(), cursor: first.saved[0] }, undefined), { projects: 2 })
  assert.deepEqual([await isRecounting(metadata.reader, 2), await isRecounting(metadata.reader, 3)], [false, false])
  assert.deepEqual(await job.run(runOf(), undefined), { projects: 0 })
  assert.deepEqual(await job.run({ ...runOf(), cursor: null }, undefined), { projects: 0 })
})

test('folding leaves nothing to fold', async () => {
  await using at = await openTestRegistry()
  const { metadata } = at.registry
  await pushBytes(at.registry, repositoryA, 'x')
  const job = foldUsageJob({ metadata, clock: systemPorts.clock })
  assert.ok(((await job.run(runOf(), undefined)) as { changes: number }).changes > 0)
  assert.deepEqual(await job.run(runOf(), undefined), { changes: 0 })
})

test('the metrics show everything, and of projects those with a limit', async () => {
  await using at = await openTestRegistry()
  const { metadata, context } = at.registry
  const parts = { metadata, ports: context.ports }
  const { id } = await createProject(parts, { name: 'team' }, who)
  await createProject(parts, { name: 'free' }, who)
  const limits = { bytesMax: 1000, repositoriesMax: null, tagsMax: null, warnPercent: 80 }
  await setQuota(parts, { projectId: id, limits, expectedVersion: undefined }, who)
  await pushBytes(at.registry, repositoryA, 'x'.repeat(70))
  const registry = new PrometheusRegistry()
  watchUsage(registry, () => readUsageFigures(metadata.reader))
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  for (const line of [
    'registry_usage_bytes 70',
    'registry_usage_blobs 1',
    'registry_usage_repositories 1',
    'registry_usage_recounts_pending 0',
  ])
    assert.ok(lines.includes(line), line)
  assert.deepEqual(
    lines.filter((line) => line.includes('project')),
    ['registry_project_usage_bytes{project="team"} 70', 'registry_project_quota_bytes{project="team"} 1000'],
  )
})
