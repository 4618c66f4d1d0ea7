import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { sortGently } from './sort-gently.ts'

const byNumber = (left: number, right: number) => left - right

suite('sorting gently', () => {
  test('sorts as sorting at once does, however many there are', async () => {
    for (const count of [0, 1, 2, 4_096, 4_097, 20_000]) {
      const items = Array.from({ length: count }, (_, index) => (index * 7_919) % 10_007)
      assert.deepEqual(await sortGently(items, byNumber), items.toSorted(byNumber))
    }
  })

  test('keeps what is equal in its order', async () => {
    const items = Array.from({ length: 10_000 }, (_, index) => ({ key: index % 3, index }))
    const sorted = await sortGently(items, (left, right) => left.key - right.key)
    assert.deepEqual(
      sorted,
      items.toSorted((left, right) => left.key - right.key),
    )
  })

  test('lets others have their turn', async () => {
    let turns = 0
    const count = () => {
      turns++
      if (turns < 1_000) setImmediate(count)
    }
    setImmediate(count)
    await sortGently(
      Array.from({ length: 50_000 }, (_, index) => -index),
      byNumber,
    )
    assert.ok(turns > 5)
  })
})
