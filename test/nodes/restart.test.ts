import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../support/until.ts'
import { startCluster } from './cluster.ts'
import { startLoad } from './load.ts'

test('a rolling restart under load is noticed by no client, although none of them repeats anything', async (t) => {
  await using cluster = await startCluster()
  const load = startLoad(cluster, { retries: 0 })
  await until('some load', () => load.soFar().pushes > 20, 60_000)
  for (const [at, node] of cluster.nodes.entries()) {
    const { pushes, pulls } = load.soFar()
    assert.equal(await node.stop(), 0)
    await node.restart()
    await cluster.untilReady(at)
    assert.ok(load.soFar().pushes > pushes && load.soFar().pulls > pulls, 'the load went on meanwhile')
  }
  const { failures, pushes, pulls, repeats, longestMs } = await load.stop()
  t.diagnostic(`${pushes} pushes and ${pulls} pulls; the longest took ${Math.round(longestMs)} ms`)
  assert.deepEqual(failures, [])
  assert.equal(repeats, 0)
  assert.deepEqual(await cluster.violations(), [])
})
