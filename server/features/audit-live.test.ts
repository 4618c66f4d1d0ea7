import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'node:test'
import type { EventHandler } from '#events/dispatch.ts'
import { eventFromRow } from '#events/event.ts'
import { eventsAfter } from '#metadata/events.ts'
import { openTestRegistry, putImage, repositoryA, type TestRegistry } from '#registry/test-registry.ts'
import { createLiveActivity, type LiveActivity, type LiveFollower } from './audit-live.ts'
import type { AuditRecord } from './audit-list.ts'

/** The activity of a registry, told when a test says so. */
function handActivity({ registry }: TestRegistry) {
  const handlers = new Set<EventHandler>()
  const { signal } = new AbortController()
  let subscriptions = 0
  let newest = 0
  return {
    activity: {
      newest: () => Promise.resolve(newest),
      subscribe: (handler: EventHandler) => {
        handlers.add(handler)
        subscriptions++
        return Promise.resolve({
          [Symbol.asyncDispose]: () => {
            handlers.delete(handler)
            return Promise.resolve()
          },
        })
      },
    },
    get open() {
      return handlers.size
    },
    get subscriptions() {
      return subscriptions
    },
    /** Tells all that was recorded since. */
    async tell() {
      for (const row of await eventsAfter(registry.metadata.reader, newest, 1_000)) {
        const event = eventFromRow(row)
        if (event !== undefined) for (const handler of handlers) await handler(event, signal)
        newest = row.id
      }
    },
  }
}

function follower() {
  const told: AuditRecord[] = []
  const begun: unknown[] = []
  const stop = new AbortController()
  const made: LiveFollower & { room: () => Promise<void> } = {
    signal: stop.signal,
    begin: (start) => void begun.push(start),
    tell: (record) => void told.push(record),
    room: () => Promise.resolve(),
  }
  return { made, told, begun, leave: () => stop.abort() }
}

async function openFollowed(behindMax?: number) {
  const opened = await openTestRegistry()
  const hand = handActivity(opened)
  const live: LiveActivity = createLiveActivity({ activity: hand.activity, metadata: opened.registry.metadata }, behindMax)
  const push = async (count: number) => {
    for (let at = 0; at < count; at++) await putImage(opened.registry, repositoryA, `image ${crypto.randomUUID()}`, 'latest')
  }
  const close = async () => {
    await live[Symbol.asyncDispose]()
    await opened[Symbol.asyncDispose]()
  }
  return { opened, hand, live, push, [Symbol.asyncDispose]: close }
}

const idsOf = (told: readonly AuditRecord[]) => told.map(({ id }) => id)
const upTo = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, at) => first + at)

test('all who follow share one subscription, which ends with the last of them', async () => {
  await using followed = await openFollowed()
  const { hand, live, push } = followed
  const [one, other] = [follower(), follower()]
  await Promise.all([live.follow(undefined, one.made), live.follow(undefined, other.made)])
  assert.deepEqual([hand.open, hand.subscriptions], [1, 1])
  await push(2)
  await hand.tell()
  assert.ok(one.told.length > 1)
  assert.deepEqual(one.told, other.told)
  assert.equal(one.told[0], other.told[0], 'the same value, which is written once')
  one.leave()
  await push(1)
  await hand.tell()
  assert.ok(other.told.length > one.told.length)
  other.leave()
  await turn()
  assert.equal(hand.open, 0)
  const third = follower()
  await live.follow(undefined, third.made)
  assert.deepEqual([hand.open, hand.subscriptions], [1, 2])
})

test('who begins behind is told each record once and in order, those that come meanwhile too', async () => {
  await using followed = await openFollowed()
  const { hand, live, push } = followed
  await push(60)
  await hand.tell()
  const { reader } = followed.opened.registry.metadata
  const last = async () => (await eventsAfter(reader, 0, 10_000)).at(-1)?.id ?? 0
  const behind = follower()
  let rooms = 0
  // While the follower has no room, more happens.
  behind.made.room = async () => {
    rooms++
    if (rooms > 2) return
    await push(1)
    await hand.tell()
  }
  await live.follow(3, behind.made)
  await push(1)
  await hand.tell()
  assert.deepEqual(idsOf(behind.told), upTo(4, await last()))
  assert.ok(rooms > 1)
})

test('who is too far behind, or ahead of all, is told so', async () => {
  await using followed = await openFollowed(10)
  const { hand, live, push } = followed
  await push(20)
  await hand.tell()
  const newest = (await eventsAfter(followed.opened.registry.metadata.reader, 0, 10_000)).at(-1)?.id ?? 0
  const [late, early, near] = [follower(), follower(), follower()]
  await live.follow(1, late.made)
  assert.deepEqual([late.begun, idsOf(late.told)], [[{ after: newest - 10, isMissed: true }], upTo(newest - 9, newest)])
  await live.follow(newest + 5, early.made)
  assert.deepEqual([early.begun, early.told], [[{ after: newest, isMissed: true }], []])
  await live.follow(newest - 1, near.made)
  assert.deepEqual([near.begun, idsOf(near.told)], [[{ after: newest - 1, isMissed: false }], [newest]])
})

test('who leaves while they are brought up is told nothing more', async () => {
  await using followed = await openFollowed()
  const { hand, live, push } = followed
  await push(80)
  await hand.tell()
  const gone = follower()
  gone.made.room = () => {
    gone.leave()
    return Promise.resolve()
  }
  await live.follow(0, gone.made)
  const told = gone.told.length
  assert.equal(told, 100, 'one page')
  await push(1)
  await hand.tell()
  await turn()
  assert.deepEqual([gone.told.length, hand.open], [told, 0])
  await live.follow(0, gone.made)
  assert.equal(hand.subscriptions, 1)
})
