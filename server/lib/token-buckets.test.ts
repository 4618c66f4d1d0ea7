import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TokenBuckets } from './token-buckets.ts'

const limit = { requestsPerSecond: 2, burst: 3 }

test('a burst passes, then as many a second as the limit says', () => {
  const buckets = new TokenBuckets(10)
  const take = (nowMs: number) => buckets.take('a', limit, nowMs).isAllowed
  assert.deepEqual([0, 0, 0, 0].map(take), [true, true, true, false])
  assert.deepEqual([500, 500, 999, 1000].map(take), [true, false, false, true])
})

test('what is left and how long to wait are told', () => {
  const buckets = new TokenBuckets(10)
  assert.deepEqual(buckets.take('a', limit, 0), { isAllowed: true, remaining: 2, waitSeconds: 0, resetSeconds: 0.5 })
  buckets.take('a', limit, 0)
  buckets.take('a', limit, 0)
  assert.deepEqual(buckets.take('a', limit, 0), { isAllowed: false, remaining: 0, waitSeconds: 0.5, resetSeconds: 1.5 })
})

test('keys do not share, a bucket never holds more than the burst, and time that steps back fills nothing', () => {
  const buckets = new TokenBuckets(10)
  for (let index = 0; index < 3; index++) buckets.take('a', limit, 0)
  assert.equal(buckets.take('b', limit, 0).isAllowed, true)
  assert.equal(buckets.take('a', limit, 1_000_000).remaining, 2)
  assert.equal(buckets.take('a', limit, 0).remaining, 1)
})

test('a charge empties the bucket and makes no debt', () => {
  const buckets = new TokenBuckets(10)
  buckets.charge('a', limit, { nowMs: 0, tokens: 100 })
  assert.equal(buckets.take('a', limit, 0).isAllowed, false)
  assert.equal(buckets.take('a', limit, 500).isAllowed, true)
})

test('memory is bounded, and the key that was quiet longest goes first', () => {
  const buckets = new TokenBuckets(3)
  for (const key of ['a', 'b', 'c']) for (let index = 0; index < 3; index++) buckets.take(key, limit, 0)
  buckets.take('a', limit, 0)
  for (let index = 0; index < 2; index++) buckets.take(`new-${index}`, limit, 0)
  assert.equal(buckets.size, 3)
  assert.equal(buckets.take('a', limit, 0).isAllowed, false)
})
