import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemPorts, type Clock } from '#lib/ports.ts'
import { makeTestDirectory, openTestSqlite } from './test-database.ts'
import { keepTime } from './test-transactions.ts'

const hourMs = 60 * 60 * 1_000

class TurnedClock implements Clock {
  time = 1_000_000

  now(): number {
    return this.time
  }

  monotonic(): number {
    return this.time
  }
}

async function openTurned() {
  const clock = new TurnedClock()
  return { clock, metadata: await openTestSqlite(':memory:', { ports: { clock, timers: systemPorts.timers } }) }
}

test('a time that was reckoned before a write counts from when it began', async () => {
  const { clock, metadata } = await openTurned()
  await using _metadata = metadata
  const write = metadata.write(keepTime, clock.time + 5)
  clock.time += hourMs
  assert.equal(await write, clock.time + 5)
  assert.equal(await metadata.write(keepTime, clock.time + 5), clock.time + 5)
})

test('a clock that is set back while a write waits shortens nothing', async () => {
  const { clock, metadata } = await openTurned()
  await using _metadata = metadata
  const until = clock.time + 5
  const write = metadata.write(keepTime, until)
  clock.time -= 1_000
  assert.equal(await write, until)
})

for (const [whose, aheadMs] of [
  ['the machine', 0],
  ['a clock that is ahead of the machine', 3 * hourMs],
] as const) {
  test(`a write that waits for another process counts its times from when that one is done, by ${whose}`, async () => {
    await using directory = await makeTestDirectory()
    const clock = { now: () => systemPorts.clock.now() + aheadMs, monotonic: () => systemPorts.clock.monotonic() }
    await using metadata = await openTestSqlite(directory.file, { ports: { clock, timers: systemPorts.timers } })
    using other = new DatabaseSync(directory.file)
    other.exec('begin immediate')
    const write = metadata.write(keepTime, clock.now())
    await sleep(200)
    const released = clock.now()
    other.exec('rollback')
    const kept = await write
    assert.ok(kept >= released && kept <= clock.now(), `${kept - released} ms after`)
  })
}
