import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createTurns } from './turns.ts'

const never = new AbortController().signal

suite('turns', () => {
  test('are given to so many at once, and to the next when one is over', async () => {
    const turns = createTurns(1, 2)
    const first = await turns.take(never)
    const order: number[] = []
    const second = turns.take(never).then((turn) => (order.push(2), turn))
    const third = turns.take(never).then((turn) => (order.push(3), turn))
    assert.deepEqual([turns.active, turns.waiting], [1, 2])
    assert.equal(await turns.take(never), undefined)
    first?.[Symbol.dispose]()
    first?.[Symbol.dispose]()
    ;(await second)?.[Symbol.dispose]()
    ;(await third)?.[Symbol.dispose]()
    assert.deepEqual([order, turns.active, turns.waiting], [[2, 3], 0, 0])
  })

  test('are not for who left the line', async () => {
    const turns = createTurns(1, 5)
    const first = await turns.take(never)
    const leaving = new AbortController()
    const left = turns.take(leaving.signal)
    const staying = turns.take(never)
    leaving.abort(new Error('gone'))
    await assert.rejects(left, /gone/)
    await assert.rejects(turns.take(leaving.signal), /gone/)
    first?.[Symbol.dispose]()
    ;(await staying)?.[Symbol.dispose]()
    assert.deepEqual([turns.active, turns.waiting], [0, 0])
  })
})
