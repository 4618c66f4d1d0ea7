import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BlobStore } from '#blobs/blob-store.ts'
import { SpaceGauge } from './space-gauge.ts'
import { TestClock } from './test-registry.ts'

const mebibyte = 1024 * 1024

/** A store of which only the free space matters. */
function gaugeOver(freeBytes: () => number | undefined) {
  const clock = new TestClock()
  let asked = 0
  const space: BlobStore['space'] = async () => {
    asked += 1
    const free = freeBytes()
    return free === undefined ? undefined : { freeBytes: free, totalBytes: 1_000 * mebibyte }
  }
  return { gauge: new SpaceGauge({ space } as BlobStore, clock), clock, asked: () => asked }
}

test('what is to begin asks for free space once in a while', async () => {
  let free = 65 * mebibyte
  const { gauge, clock, asked } = gaugeOver(() => free)
  assert.equal(await gauge.isBelow(64 * mebibyte), false)
  free = mebibyte
  assert.equal(await gauge.isBelow(64 * mebibyte), false)
  assert.equal(asked(), 1)
  clock.advance(2_000)
  assert.equal(await gauge.isBelow(64 * mebibyte), true)
})

test('uploads under way ask again each 4 MiB, and stop at a quarter of the low-water mark', async () => {
  let free = 17 * mebibyte
  const { gauge, asked } = gaugeOver(() => free)
  const take = async (bytes: number) => gauge.isSpent(bytes, 64 * mebibyte)
  assert.equal(await take(3 * mebibyte), false)
  assert.equal(asked(), 0)
  assert.equal(await take(mebibyte), false)
  assert.equal(asked(), 1)
  free = 15 * mebibyte
  assert.equal(await take(4 * mebibyte - 1), false)
  assert.equal(await take(1), true)
})

test('without a low-water mark, or where the store cannot tell, nothing is refused', async () => {
  const full = gaugeOver(() => 0)
  assert.equal(await full.gauge.isBelow(0), false)
  assert.equal(await full.gauge.isSpent(100 * mebibyte, 0), false)
  assert.equal(full.asked(), 0)
  const silent = gaugeOver(() => undefined)
  assert.equal(await silent.gauge.isBelow(64 * mebibyte), false)
  assert.equal(await silent.gauge.isSpent(100 * mebibyte, 64 * mebibyte), false)
})
