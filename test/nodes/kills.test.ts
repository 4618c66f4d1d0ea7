import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../support/until.ts'
import { startCluster } from './cluster.ts'
import { startLoad } from './load.ts'

const rounds = 4

test('nodes killed under load lose no push that was acknowledged, and clients that repeat as docker does get through', async (t) => {
  await using cluster = await startCluster()
  const load = startLoad(cluster, { retries: 5 })
  await until('some load', () => load.soFar().pushes > 20, 60_000)
  for (let round = 0; round < rounds; round += 1) {
    const at = round % cluster.nodes.length
    await cluster.nodes[at]?.kill9()
    await sleep(2_000)
    await cluster.nodes[at]?.restart()
    await cluster.untilReady(at)
    await sleep(1_500)
  }
  const { failures, acknowledged, pushes, pulls, repeats, longestMs } = await load.stop()
  t.diagnostic(`${pushes} pushes, ${pulls} pulls, ${repeats} requests sent again; the longest took ${Math.round(longestMs)} ms`)
  assert.deepEqual(failures, [])
  assert.ok(repeats > 0, 'kills were noticed')
  const lost = []
  for (const { repository, tag, digest } of acknowledged) {
    if ((await cluster.balanced.digestOf(repository, tag)) !== digest) lost.push(`${repository}:${tag}`)
  }
  assert.deepEqual(lost, [])
  assert.deepEqual(await cluster.violations(), [])
})
