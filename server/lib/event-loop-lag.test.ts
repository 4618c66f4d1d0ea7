import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { watchEventLoop } from './event-loop-lag.ts'

test('a held event loop shows as lag, once', async () => {
  using lag = watchEventLoop()
  await sleep(30)
  lag.take()
  // The first tick after a reset is where the next delay is counted from.
  await sleep(30)
  const until = performance.now() + 120
  while (performance.now() < until);
  await sleep(30)
  const held = lag.take().max
  assert.ok(held > 0.09)
  await sleep(60)
  assert.ok(lag.take().max < held)
})
