import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import { pino } from 'pino'
import { systemPorts } from '#lib/ports.ts'
import { eventsAfter, newestEventId } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { testDialect } from '#metadata/test-postgres.ts'
import { digestOf } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { createActivityStream } from './dispatch.ts'
import { eventFromRow, type Event, type Happening, type RecordedEvent } from './event.ts'
import { pruneEvents } from './prune.ts'
import { createSealer, sealEvents } from './seal.ts'
import { recordAll, recordAndFail, recordSlowly, recordUnknown } from './test-transactions.ts'

const repository = 'team/app' as RepositoryName
const digest = digestOf(Buffer.from('content'))
const sha512 = digestOf(Buffer.from('content'), 'sha512')
const by = { actor: 'someone', requestId: 'request-1' }

/** What a record says of who did it when nothing was known. */
const nothingSaid = { actorKey: '', credential: '', address: '', userAgent: '', outcome: 'success', reason: '', count: 1 }

function created(at: number): Event {
  return { ...by, at, action: 'repository.created', repository }
}

function createdMany(count: number): Event[] {
  return Array.from({ length: count }, (_, index) => created(index + 1))
}

const silent = pino({ enabled: false })

function openStream(metadata: Metadata) {
  return createActivityStream({ metadata, ports: systemPorts, log: silent })
}

/** Collects events, and lets a test wait for a number of them. */
function collector() {
  const seen: RecordedEvent[] = []
  const waiting = new Set<() => void>()
  return {
    seen,
    handler: (event: RecordedEvent) => {
      seen.push(event)
      for (const check of waiting) check()
    },
    until(count: number): Promise<void> {
      return new Promise((resolve) => {
        const check = () => {
          if (seen.length >= count) resolve()
        }
        waiting.add(check)
        check()
      })
    },
  }
}

test('every kind of event comes back as it was recorded', async () => {
  await using metadata = await openTestDatabase(':memory:')
  const tag = 'v1' as Tag
  const happenings: Happening[] = [
    {
      action: 'manifest.pushed',
      repository,
      digest: sha512,
      detail: { mediaType: 'application/vnd.oci.image.manifest.v1+json', sizeBytes: 7 },
    },
    { action: 'manifest.deleted', repository, digest },
    { action: 'tag.moved', repository, tag, digest, detail: {} },
    { action: 'tag.moved', repository, tag, digest, detail: { previousDigest: sha512 } },
    { action: 'tag.deleted', repository, tag, digest },
    { action: 'blob.mounted', repository, digest, detail: { from: 'other' as RepositoryName } },
    { action: 'blob.deleted', repository, digest },
    { action: 'blob.quarantined', digest, detail: { reason: 'wrong bytes' } },
    { action: 'repository.created', repository },
    { action: 'repository.deleted', repository },
  ]
  const events = happenings.map((happening): Event => ({ ...happening, ...by, at: 1_700_000_000_000 }))
  const ids = await metadata.write(recordAll, events)
  const recorded = (await eventsAfter(metadata.reader, 0, 100)).map(eventFromRow)
  assert.deepEqual(
    recorded,
    events.map((event, index) => {
      const project = 'repository' in event ? { project: 'library', projectId: 1 } : {}
      return { detail: {}, ...nothingSaid, ...project, ...event, id: ids[index] }
    }),
  )
})

test('an event about a repository says which project owns it', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await metadata.write(recordAll, [created(1), { ...created(2), repository: 'nobody' as RepositoryName }])
  const projects = (await eventsAfter(metadata.reader, 0, 100)).map(({ project }) => project)
  assert.deepEqual(projects, ['library', 'library'])
})

test('an event of a transaction that fails never happened', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await assert.rejects(metadata.write(recordAndFail, [created(1)]))
  assert.equal(await newestEventId(metadata.reader), 0)
})

test('subscribers get what is committed from now on, in order, once', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await metadata.write(recordAll, [created(1)])
  await using stream = openStream(metadata)
  const watched = stream.watch(metadata)
  const one = collector()
  const other = collector()
  await using _one = await stream.subscribe(one.handler, { name: 'one' })
  await using _other = await stream.subscribe(other.handler, { name: 'other', after: 0 })
  for (let round = 0; round < 5; round++) await watched.write(recordAll, createdMany(90))
  await one.until(450)
  await other.until(451)
  const ids = one.seen.map(({ id }) => id)
  assert.deepEqual(
    ids,
    Array.from({ length: 450 }, (_, index) => index + 2),
  )
  assert.deepEqual(
    other.seen.map(({ id }) => id),
    [1, ...ids],
  )
})

test('a subscriber of some actions gets those alone, each once, however many others lie between', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await using stream = openStream(metadata)
  const watched = stream.watch(metadata)
  const some = collector()
  await using _some = await stream.subscribe(some.handler, { name: 'some', actions: ['repository.deleted', 'project.created'] })
  for (let round = 1; round <= 3; round++) {
    await watched.write(recordAll, createdMany(150))
    await watched.write(recordAll, [{ ...by, at: round, action: 'repository.deleted', repository }, created(round)])
    await some.until(round)
  }
  await watched.write(
    recordAll,
    Array.from({ length: 120 }, (_, at): Event => ({ ...by, at, action: 'repository.deleted', repository })),
  )
  await some.until(123)
  const wanted = await eventsAfter(metadata.reader, 0, 10_000)
  assert.deepEqual(
    some.seen.map(({ id }) => id),
    wanted.filter(({ action }) => action === 'repository.deleted').map(({ id }) => id),
  )
})

test('a subscriber that throws and one that never ends do not stop the others', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await using stream = openStream(metadata)
  const watched = stream.watch(metadata)
  const good = collector()
  const broken = collector()
  await stream.subscribe((_event, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())), { name: 'slow' })
  const failing = (event: RecordedEvent) => {
    broken.handler(event)
    throw new Error('the subscriber is broken')
  }
  await stream.subscribe(failing, { name: 'failing' })
  await stream.subscribe(good.handler, { name: 'good' })
  await watched.write(recordAll, createdMany(250))
  await good.until(250)
  // It is told the next event after each failure.
  await broken.until(101)
  await stream[Symbol.asyncDispose]()
  const failed = broken.seen.map(({ id }) => id)
  assert.deepEqual(
    failed,
    failed.toSorted((a, b) => a - b),
  )
})

test('an event that this program does not know is passed over', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await using stream = openStream(metadata)
  const watched = stream.watch(metadata)
  const all = collector()
  await stream.subscribe(all.handler, { name: 'all' })
  await watched.write(recordUnknown, undefined)
  await watched.write(recordAll, [created(2)])
  await all.until(1)
  assert.deepEqual(
    all.seen.map(({ id }) => id),
    [2],
  )
})

test('a subscription that is disposed hears nothing more, and its call is told to stop', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await using stream = openStream(metadata)
  const watched = stream.watch(metadata)
  const started = Promise.withResolvers<void>()
  let calls = 0
  const subscription = await stream.subscribe(
    async (_event, signal) => {
      calls++
      started.resolve()
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    },
    { name: 'slow' },
  )
  await watched.write(recordAll, createdMany(10))
  await started.promise
  await subscription[Symbol.asyncDispose]()
  await watched.write(recordAll, createdMany(10))
  assert.equal(calls, 1)
})

test('what another process committed is seen at the next wake', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await using stream = openStream(metadata)
  const all = collector()
  await stream.subscribe(all.handler, { name: 'all' })
  await metadata.write(recordAll, createdMany(3))
  stream.wake()
  await all.until(3)
})

if (testDialect === 'postgres') {
  /** Until the first id is drawn, committed or not. */
  const untilDrawn = async ({ reader }: Metadata) => {
    const isDrawn = async () =>
      (await sql<{ drawn: number }>`select is_called as drawn from events_id_seq`.execute(reader)).rows[0]?.drawn === 1
    while (!(await isDrawn())) await setTimeout(5)
  }

  test('an event that commits after one with a larger id is told before it, once (PostgreSQL)', async () => {
    await using metadata = await openTestDatabase(':memory:')
    await using stream = openStream(metadata)
    const watched = stream.watch(metadata)
    const one = collector()
    const some = collector()
    await using _one = await stream.subscribe(one.handler, { name: 'one' })
    await using _some = await stream.subscribe(some.handler, { name: 'some', actions: ['repository.created'] })
    const slow = watched.write(recordSlowly, { event: created(1), seconds: 1.5 })
    await untilDrawn(metadata)
    const fast = await watched.write(recordAll, [created(2), created(3)])
    await setTimeout(100)
    assert.deepEqual([...one.seen, ...some.seen], [])
    const first = await slow
    assert.ok(first < Math.min(...fast))
    for (const { seen, until } of [one, some]) {
      await until(3)
      assert.deepEqual(
        seen.map(({ id }) => id),
        [first, ...fast],
      )
    }
  })

  test('a seal takes nothing that is not decided (PostgreSQL)', async () => {
    await using metadata = await openTestDatabase(':memory:')
    const sealer = createSealer(metadata, systemPorts.clock)
    const slow = metadata.write(recordSlowly, { event: created(1), seconds: 1.5 })
    await untilDrawn(metadata)
    await metadata.write(recordAll, [created(2)])
    await sealer.turn()
    assert.equal(await sealer.turn(), 0)
    await slow
    await sealer.turn()
    assert.equal(await sealer.turn(), 2)
  })
}

test('a stream outlives its database', async () => {
  const metadata = await openTestDatabase(':memory:')
  const stream = openStream(metadata)
  const all = collector()
  await stream.subscribe(all.handler, { name: 'all' })
  await metadata[Symbol.asyncDispose]()
  stream.wake()
  await new Promise((resolve) => setImmediate(resolve))
  await stream[Symbol.asyncDispose]()
  assert.deepEqual(all.seen, [])
})

test('pruning deletes the older seals, in batches, says so in a record, and leaves what is not sealed', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await metadata.write(recordAll, createdMany(2300))
  await sealEvents(metadata, { through: 2200, now: 5000 })
  await sealEvents(metadata, { through: 2250, now: 6000 })
  assert.equal(await pruneEvents(metadata, { before: 5000, now: 9000 }), 0)
  assert.equal(await pruneEvents(metadata, { before: 5001, now: 9000 }), 2200)
  const rows = await eventsAfter(metadata.reader, 0, 1000)
  assert.deepEqual(
    rows.map(({ at }) => at),
    [...Array.from({ length: 100 }, (_, index) => 2201 + index), 9000],
  )
  assert.equal(rows.at(-1)?.action, 'audit.purged')
  assert.equal(await pruneEvents(metadata, { before: 5001, now: 9001 }), 0)
  const aborted = AbortSignal.abort()
  assert.equal(await pruneEvents(metadata, { before: 6001, now: 9002, signal: aborted }), 0)
})
