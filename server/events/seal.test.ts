import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sealsAfter } from '#metadata/event-seals.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { digestOf } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import type { Event } from './event.ts'
import { pruneEvents } from './prune.ts'
import { createSealer, sealEvents } from './seal.ts'
import { changeEvent, changeProject, changeSeal, makeUpSeal, moveEvent, removeEvent, removeSeal } from './test-tampering.ts'
import { recordAll } from './test-transactions.ts'
import { verifyEvents } from './verify.ts'

function happened(at: number): Event {
  const repository = 'team/app' as RepositoryName
  const digest = digestOf(Buffer.from(String(at)))
  return { actor: 'ann', requestId: 'r', at, action: 'tag.moved', repository, tag: 'v1' as Tag, digest, detail: { previousDigest: digest } }
}

/** Thirty events under three seals of ten each. */
async function sealed(metadata: Metadata): Promise<void> {
  for (const [seal, through] of [10, 20, 30].entries()) {
    await metadata.write(
      recordAll,
      Array.from({ length: 10 }, (_, index) => happened(1000 * seal + index + 1)),
    )
    assert.equal(await sealEvents(metadata, { through, now: 1000 * (seal + 1) }), 10)
  }
}

test('untouched events fit their seals', async () => {
  await using metadata = await openTestDatabase(':memory:')
  assert.deepEqual(await verifyEvents(metadata), { seals: 0, events: 0, purgedSeals: 0, isExpectedFound: false, unsealed: 0 })
  await sealed(metadata)
  await metadata.write(recordAll, [happened(4000)])
  const { head, ...found } = await verifyEvents(metadata)
  assert.deepEqual(found, { seals: 3, events: 30, purgedSeals: 0, isExpectedFound: false, unsealed: 1 })
  assert.equal(head?.lastId, 30)
  assert.match(head?.hash ?? '', /^[0-9a-f]{64}$/)
  assert.equal((await verifyEvents(metadata, { expected: head?.hash })).isExpectedFound, true)
  assert.equal((await verifyEvents(metadata, { expected: '0'.repeat(64) })).isExpectedFound, false)
})

const tamperings = {
  'a changed event': { tamper: (metadata: Metadata) => metadata.write(changeEvent, 15), kind: 'content', firstId: 11 },
  'an event put into another project': {
    tamper: (metadata: Metadata) => metadata.write(changeProject, 15),
    kind: 'content',
    firstId: 11,
  },
  'a removed event': { tamper: (metadata: Metadata) => metadata.write(removeEvent, 15), kind: 'rows', firstId: 11 },
  'a removed last event of a seal': { tamper: (metadata: Metadata) => metadata.write(removeEvent, 20), kind: 'rows', firstId: 11 },
  'a removed first event': { tamper: (metadata: Metadata) => metadata.write(removeEvent, 1), kind: 'rows', firstId: 1 },
  'a removed seal': { tamper: (metadata: Metadata) => metadata.write(removeSeal, 20), kind: 'missing-seal', firstId: 21 },
  'a removed first seal': { tamper: (metadata: Metadata) => metadata.write(removeSeal, 10), kind: 'missing-seal', firstId: 11 },
  'a changed seal': { tamper: (metadata: Metadata) => metadata.write(changeSeal, 20), kind: 'content', firstId: 11 },
  'a made-up hash': {
    tamper: (metadata: Metadata) => metadata.write(makeUpSeal, { hash: Buffer.alloc(32, 7), lastId: 20 }),
    kind: 'content',
    firstId: 11,
  },
  'an inserted event': {
    async tamper(metadata: Metadata) {
      await metadata.write(removeEvent, 15)
      await metadata.write(moveEvent, { from: 30, to: 15 })
    },
    kind: 'content',
    firstId: 11,
  },
} as const

for (const [what, { tamper, kind, firstId }] of Object.entries(tamperings)) {
  test(`${what} is found`, async () => {
    await using metadata = await openTestDatabase(':memory:')
    await sealed(metadata)
    await tamper(metadata)
    const { fault, next } = await verifyEvents(metadata)
    assert.deepEqual({ kind: fault?.kind, firstId: fault?.firstId }, { kind, firstId })
    assert.equal(next, undefined)
  })
}

test('an event put into a hole that was there when the seal was made is found', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await metadata.write(recordAll, [1, 2, 3, 4].map(happened))
  await metadata.write(removeEvent, 2)
  await sealEvents(metadata, { through: 3, now: 10 })
  assert.equal((await verifyEvents(metadata)).fault, undefined)
  await metadata.write(moveEvent, { from: 4, to: 2 })
  assert.equal((await verifyEvents(metadata)).fault?.kind, 'rows')
})

test('verification can stop and go on', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await sealed(metadata)
  const first = await verifyEvents(metadata, { maximumEvents: 10 })
  assert.deepEqual({ seals: first.seals, next: first.next }, { seals: 1, next: 10 })
  const rest = await verifyEvents(metadata, { after: first.next })
  assert.deepEqual({ seals: rest.seals, next: rest.next, fault: rest.fault }, { seals: 2, next: undefined, fault: undefined })
  await metadata.write(changeEvent, 25)
  assert.equal((await verifyEvents(metadata, { after: 20 })).fault?.firstId, 21)
})

test('seals of purged events remain links of the chain; rows that are gone without a record of a purge are found', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await sealed(metadata)
  assert.equal(await pruneEvents(metadata, { before: 1001, now: 5000 }), 10)
  const { seals, events, purgedSeals, fault } = await verifyEvents(metadata)
  assert.deepEqual({ seals, events, purgedSeals, fault }, { seals: 3, events: 20, purgedSeals: 1, fault: undefined })
  for (let id = 11; id <= 20; id++) await metadata.write(removeEvent, id)
  assert.equal((await verifyEvents(metadata)).fault?.firstId, 11)
})

test('a removed seal of purged events is found', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await sealed(metadata)
  await pruneEvents(metadata, { before: 2001, now: 5000 })
  await metadata.write(removeSeal, 10)
  assert.equal((await verifyEvents(metadata)).fault?.kind, 'missing-seal')
})

test('many who seal at once make one chain', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await metadata.write(
    recordAll,
    Array.from({ length: 2500 }, (_, index) => happened(index + 1)),
  )
  const counts = await Promise.all([1, 2, 3].map(() => sealEvents(metadata, { through: 2500, now: 9000 })))
  assert.equal(
    counts.reduce((sum, count) => sum + count),
    2500,
  )
  const seals = await sealsAfter(metadata.reader, 0, 10)
  assert.deepEqual(
    seals.map(({ first_id, last_id }) => [first_id, last_id]),
    [
      [1, 1000],
      [1001, 2000],
      [2001, 2500],
    ],
  )
  assert.equal((await verifyEvents(metadata)).fault, undefined)
})

test('a turn seals what the turn before saw and nothing younger', async () => {
  await using metadata = await openTestDatabase(':memory:')
  const sealer = createSealer(metadata, { now: () => 1 })
  await metadata.write(recordAll, [1, 2].map(happened))
  assert.equal(await sealer.turn(), 0)
  await metadata.write(recordAll, [3].map(happened))
  assert.equal(await sealer.turn(), 2)
  assert.equal(await sealer.turn(), 1)
  assert.equal(await sealer.turn(), 0)
})
