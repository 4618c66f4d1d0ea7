import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openTestRoom } from './test-jobs.ts'
import { createTestTime } from './test-time.ts'
import { alone, inTurns } from './while-leading.ts'

/** What counts how often it began and ended. */
function counted(failures = 0) {
  const seen = { begun: 0, ended: 0 }
  const start = async (): Promise<AsyncDisposable> => {
    if (seen.begun < failures) {
      seen.begun += 1
      throw new Error('not yet')
    }
    seen.begun += 1
    return { [Symbol.asyncDispose]: async () => void (seen.ended += 1) }
  }
  return { seen, start }
}

suite('what one process does for all', () => {
  test('runs in the process that leads, and in the next when that one ends', async () => {
    const time = createTestTime()
    await using room = await openTestRoom([], { ports: time.ports })
    const [first, second] = [counted(), counted()]
    const leading = await inTurns(room.parts)('work', first.start)
    const waiting = await inTurns(room.parts)('work', second.start)
    await time.advance(30_000)
    assert.deepEqual(
      [first.seen, second.seen],
      [
        { begun: 1, ended: 0 },
        { begun: 0, ended: 0 },
      ],
    )
    await leading[Symbol.asyncDispose]()
    assert.deepEqual(first.seen, { begun: 1, ended: 1 })
    await time.advance(10_000)
    assert.deepEqual(second.seen, { begun: 1, ended: 0 })
    await waiting[Symbol.asyncDispose]()
    assert.deepEqual(second.seen, { begun: 1, ended: 1 })
  })

  test('ends in a process that was paused for longer than its lease, and goes on in another', async () => {
    const time = createTestTime()
    await using room = await openTestRoom([], { ports: time.ports })
    const paused = { isAway: false }
    const metadata = { ...room.parts.metadata, dialect: room.parts.metadata.dialect, reader: room.parts.metadata.reader } as const
    const parts = {
      ...room.parts,
      metadata: {
        ...metadata,
        ping: () => room.parts.metadata.ping(),
        write: ((definition, input) =>
          paused.isAway ? Promise.reject(new Error('away')) : room.parts.metadata.write(definition, input)) as typeof metadata.write,
        [Symbol.asyncDispose]: async () => undefined,
      },
    }
    const [first, second] = [counted(), counted()]
    await using _leading = await inTurns(parts)('work', first.start)
    await using _waiting = await inTurns(room.parts)('work', second.start)
    paused.isAway = true
    await time.advance(150_000)
    assert.deepEqual(
      [first.seen, second.seen],
      [
        { begun: 1, ended: 1 },
        { begun: 1, ended: 0 },
      ],
    )
  })

  test('is tried again when it could not begin', async () => {
    const time = createTestTime()
    await using room = await openTestRoom([], { ports: time.ports })
    const work = counted(2)
    await using _leading = await inTurns(room.parts)('work', work.start)
    await time.advance(5_000)
    assert.equal(work.seen.begun, 3)
  })

  test('begins at once where there is one process', async () => {
    const work = counted()
    const running = await alone('work', work.start)
    await running[Symbol.asyncDispose]()
    assert.deepEqual(work.seen, { begun: 1, ended: 1 })
  })
})
