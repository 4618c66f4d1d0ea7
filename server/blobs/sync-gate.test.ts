import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SyncGate } from './sync-gate.ts'

test('so many syncs run at once and no more, in the order in which they were asked for, whatever becomes of them', async () => {
  const gate = new SyncGate(2)
  const started: number[] = []
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<void>())
  const runs = ends.map(({ promise }, at) =>
    gate.run(async () => {
      started.push(at)
      await promise
    }),
  )
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  await turn()
  assert.deepEqual(started, [0, 1])
  ends[1]?.reject(new Error('EIO'))
  await assert.rejects(runs[1] ?? Promise.resolve(), /EIO/)
  await turn()
  assert.deepEqual(started, [0, 1, 2])
  ends[0]?.resolve()
  ends[2]?.resolve()
  await turn()
  assert.deepEqual(started, [0, 1, 2, 3, 4])
  ends[3]?.resolve()
  ends[4]?.resolve()
  await Promise.all([runs[0], runs[2], runs[3], runs[4]])
  assert.equal(await gate.run(async () => 'free again'), 'free again')
})
