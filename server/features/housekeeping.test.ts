import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { recordAll } from '#events/test-transactions.ts'
import { createTestTime, waitFor } from '#jobs/test-time.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import type { Registry } from '#registry/registry.ts'
import { startHousekeeping } from './housekeeping.ts'

const minuteMs = 60_000
const event = { action: 'system.updated', target: 'system', detail: {}, at: 1, actor: 'olga', requestId: 'r' } as const

/** What housekeeping uses of a registry. */
function registryOf(metadata: Metadata, ports: ReturnType<typeof createTestTime>['ports'], readOnly = false): Registry {
  const context = { ports, log: pino({ enabled: false }) }
  return { metadata, context, options: { readOnly } } as unknown as Registry
}

async function sealsOf({ reader }: Metadata): Promise<number> {
  return (await reader.selectFrom('event_seals').select('id').execute()).length
}

test('events are sealed within some minutes, by one of two processes, and by the other when that one ends', async () => {
  const time = createTestTime()
  await using metadata = waitFor(await openTestDatabase(':memory:'))
  const first = startHousekeeping(registryOf(metadata, time.ports), { isAlone: false })
  await using _second = startHousekeeping(registryOf(metadata, time.ports), { isAlone: false })
  await metadata.write(recordAll, [event])
  await time.advance(3 * minuteMs)
  assert.equal(await sealsOf(metadata), 1)
  await first[Symbol.asyncDispose]()
  await metadata.write(recordAll, [event])
  await time.advance(4 * minuteMs)
  assert.equal(await sealsOf(metadata), 2)
})

test('a read-only registry does no chores and takes no lease', async () => {
  const time = createTestTime()
  await using metadata = waitFor(await openTestDatabase(':memory:'))
  await metadata.write(recordAll, [event])
  await using _chores = startHousekeeping(registryOf(metadata, time.ports, true), { isAlone: true })
  await time.advance(5 * minuteMs)
  assert.equal(await sealsOf(metadata), 0)
  assert.deepEqual(await metadata.reader.selectFrom('leases').select('name').execute(), [])
})
