import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { systemPorts } from '#lib/ports.ts'
import { eventsAfter } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { createAudit, type Limits, type Noted } from './audit.ts'

const silent = pino({ enabled: false })
const ann = { actor: 'ann', requestId: 'r1', address: '192.0.2.1', credential: 'password' }
const failed = (target: string): Noted => ({ action: 'login.failed', target })

function open(metadata: Metadata, limits?: Limits) {
  let now = 1_000
  const ports = { ...systemPorts, clock: { ...systemPorts.clock, now: () => now++ } }
  return createAudit({ metadata, ports, log: silent, ...(limits && { limits }) })
}

/** What of the rows tells one from another. */
async function rows(metadata: Metadata) {
  const all = await eventsAfter(metadata.reader, 0, 1000)
  return all.map(({ action, target, address, count, reason }) => [action, target, address, count, reason].join(' '))
}

test('alike happenings are one record with their number and the time of the last', async () => {
  await using metadata = await openTestDatabase(':memory:')
  const audit = open(metadata)
  const wrong = { ...ann, outcome: 'failure', reason: 'UNAUTHORIZED' } as const
  for (let round = 0; round < 3; round++) audit.note(failed('user:ann'), { ...wrong, requestId: `r${round}` })
  audit.note(failed('user:ann'), { ...wrong, address: '192.0.2.2' })
  audit.note(failed('user:ann'), { ...wrong, reason: 'TOOMANYREQUESTS' })
  assert.equal(audit.pending, 3)
  await audit[Symbol.asyncDispose]()
  assert.deepEqual(await rows(metadata), [
    'login.failed user:ann 192.0.2.1 3 UNAUTHORIZED',
    'login.failed user:ann 192.0.2.2 1 UNAUTHORIZED',
    'login.failed user:ann 192.0.2.1 1 TOOMANYREQUESTS',
  ])
  const [first] = await eventsAfter(metadata.reader, 0, 1)
  assert.deepEqual([first?.at, first?.request_id, first?.outcome], [1000, 'r0', 'failure'])
  assert.equal(first?.detail, '{"until":"1970-01-01T00:00:01.002Z"}')
})

test('made-up names of one address become a count, and the records of others stay', async () => {
  await using metadata = await openTestDatabase(':memory:')
  const audit = open(metadata, { records: 100, recordsPerAddress: 3 })
  for (let name = 0; name < 50; name++) audit.note(failed(`user:${name}`), ann)
  audit.note(failed('user:bob'), { ...ann, address: '192.0.2.2' })
  await audit.flush()
  assert.deepEqual(await rows(metadata), [
    'login.failed user:0 192.0.2.1 1 ',
    'login.failed user:1 192.0.2.1 1 ',
    'login.failed user:2 192.0.2.1 1 ',
    'login.failed summary 192.0.2.1 47 ',
    'login.failed user:bob 192.0.2.2 1 ',
  ])
})

test('however many addresses send, memory is bounded and nothing goes uncounted', async () => {
  await using metadata = await openTestDatabase(':memory:')
  const audit = open(metadata, { records: 10, recordsPerAddress: 3 })
  for (let address = 0; address < 1000; address++)
    audit.note(failed('user:ann'), { ...ann, address: `10.0.${address >> 8}.${address & 255}` })
  assert.equal(audit.pending, 11)
  await audit.flush()
  const counts = (await eventsAfter(metadata.reader, 0, 100)).map(({ count }) => count)
  assert.equal(
    counts.reduce((sum, count) => sum + count),
    1000,
  )
})

test('what cannot be written waits, is counted on, and is written later', async () => {
  await using metadata = await openTestDatabase(':memory:')
  let isAway = true
  const flaky: Metadata = {
    ...metadata,
    write: (definition, input) => (isAway ? Promise.reject(new Error('away')) : metadata.write(definition, input)),
  }
  const audit = open(flaky)
  audit.note(failed('user:ann'), ann)
  await audit.flush()
  audit.note(failed('user:ann'), ann)
  assert.deepEqual([audit.pending, audit.flushFailures], [1, 1])
  isAway = false
  await audit.flush()
  assert.equal(audit.pending, 0)
  assert.deepEqual(await rows(metadata), ['login.failed user:ann 192.0.2.1 2 '])
})

test('texts of clients are cut', async () => {
  await using metadata = await openTestDatabase(':memory:')
  const audit = open(metadata)
  audit.note(failed('x'.repeat(100_000)), { ...ann, actor: 'y'.repeat(100_000), userAgent: 'z'.repeat(100_000) })
  await audit.flush()
  const [row] = await eventsAfter(metadata.reader, 0, 1)
  assert.deepEqual([row?.target.length, row?.actor.length, row?.user_agent.length], [300, 300, 200])
})

test('many records are written in several transactions, none twice', async () => {
  await using metadata = await openTestDatabase(':memory:')
  const audit = open(metadata, { records: 1000, recordsPerAddress: 1000 })
  for (let name = 0; name < 700; name++) audit.note(failed(`user:${name}`), ann)
  await Promise.all([audit.flush(), audit.flush(), audit[Symbol.asyncDispose]()])
  assert.equal((await rows(metadata)).length, 700)
})
