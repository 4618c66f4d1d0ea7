import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createLargest } from './retention-largest.ts'

test('the largest of what is offered are those that sorting finds', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.integer({ min: 1, max: 20 }), (offered, count) => {
      const largest = createLargest<number>(count, (a, b) => a - b)
      for (const item of offered) largest.offer(item)
      assert.deepEqual(
        largest.items().toSorted((a, b) => b - a),
        offered.toSorted((a, b) => b - a).slice(0, count),
      )
    }),
  )
})
