import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Timers } from '#lib/ports.ts'
import { RefusalPace } from './refusal-pace.ts'

/** Sleeps that end when the test says so. */
function manual() {
  const sleeping: (() => void)[] = []
  const unused = () => assert.fail('not used')
  const timers: Timers = {
    after: unused,
    every: unused,
    sleep: () => new Promise((resolve) => void sleeping.push(resolve)),
  }
  const settle = () => new Promise(setImmediate)
  return {
    timers,
    settle,
    async pass() {
      sleeping.shift()?.()
      await settle()
    },
  }
}

suite('refusals', () => {
  test('leave at once when there is one, and one at a time when they come together', async () => {
    const { timers, settle, pass } = manual()
    const pace = new RefusalPace(timers)
    const left: number[] = []
    for (let index = 0; index < 3; index++) void pace.turn().then(() => left.push(index))
    await settle()
    assert.deepEqual(left, [0])
    await pass()
    assert.deepEqual(left, [0, 1])
    await pass()
    await pass()
    assert.deepEqual(left, [0, 1, 2])
    await pace.turn()
  })

  test('are held a thousand at a time, and what comes on top is answered', async () => {
    const { timers, settle, pass } = manual()
    const pace = new RefusalPace(timers)
    let left = 0
    for (let index = 0; index < 1_001; index++) void pace.turn().then(() => left++)
    await settle()
    assert.equal(left, 2, 'the first and the last')
    for (let index = 0; index < 3; index++) void pace.turn().then(() => left++)
    await settle()
    assert.equal(left, 4, 'one place was free, two came on top')
    while (left < 1_004) await pass()
  })
})
