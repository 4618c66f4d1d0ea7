import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Timers } from '#lib/ports.ts'
import { RefusalPace, type Awaited } from './refusal-pace.ts'

const settle = () => new Promise(setImmediate)

/** Pauses and holds that end when the test says so. */
function manual() {
  const pauses: (() => void)[] = []
  const holds = new Set<() => void>()
  const timers: Pick<Timers, 'after' | 'sleep'> = {
    after(delayMs, callback) {
      assert.equal(delayMs, 4)
      pauses.push(callback)
      return { [Symbol.dispose]: () => assert.fail('not used') }
    },
    sleep(delayMs, signal) {
      assert.equal(delayMs, 1_000)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      holds.add(resolve)
      signal?.addEventListener('abort', () => {
        holds.delete(resolve)
        reject(new Error('aborted'))
      })
      return promise
    },
  }
  return {
    timers,
    /** The pause after an answer ends. */
    async pass() {
      pauses.shift()?.()
      await settle()
    },
    /** The second of all that are held ends. */
    async second() {
      for (const end of holds) end()
      holds.clear()
      await settle()
    },
    sleeping: () => holds.size,
    pausing: () => pauses.length,
  }
}

function awaited() {
  const controller = new AbortController()
  let isClosing = false
  const request: Awaited = { hurry: () => controller.signal, closeAfter: () => void (isClosing = true), isGone: () => false }
  return { request, hurry: () => controller.abort(), isClosing: () => isClosing }
}

suite('refusals', () => {
  test('leave at once when there is one, and one at a time when they come together', async () => {
    const { timers, pass, pausing } = manual()
    const pace = new RefusalPace(timers)
    const left: number[] = []
    for (let index = 0; index < 3; index++) void pace.turn(false).then(() => left.push(index))
    await settle()
    assert.deepEqual(left, [0])
    await pass()
    assert.deepEqual(left, [0, 1])
    await pass()
    await pass()
    assert.deepEqual([left, pausing()], [[0, 1, 2], 0])
    await pace.turn(false)
  })

  test('to who is to wait leave after a second, one at a time', async () => {
    const { timers, pass, second } = manual()
    const pace = new RefusalPace(timers)
    const left: number[] = []
    for (let index = 0; index < 3; index++) void pace.turn(true).then(() => left.push(index))
    await settle()
    assert.deepEqual(left, [])
    await second()
    assert.deepEqual(left, [0])
    await pass()
    await pass()
    assert.deepEqual(left, [0, 1, 2])
  })

  test('of a typing error go before those that were held', async () => {
    const { timers, pass, second } = manual()
    const pace = new RefusalPace(timers)
    const left: string[] = []
    const ask = (name: string, isHeld: boolean) => void pace.turn(isHeld).then(() => left.push(name))
    for (const name of ['held 1', 'held 2', 'held 3']) ask(name, true)
    await second()
    ask('typed', false)
    for (let times = 0; times < 3; times++) await pass()
    assert.deepEqual(left, ['held 1', 'typed', 'held 2', 'held 3'])
  })

  test('are held a thousand at a time, and what comes on top is answered and loses its connection', async () => {
    const { timers, second, pass } = manual()
    const pace = new RefusalPace(timers)
    let left = 0
    const requests = Array.from({ length: 1_002 }, awaited)
    for (const { request } of requests) void pace.turn(true, request).then(() => left++)
    await settle()
    assert.equal(left, 2)
    assert.deepEqual(
      [requests.map(({ isClosing }) => isClosing()).indexOf(true), requests.filter(({ isClosing }) => isClosing()).length],
      [1_000, 2],
    )
    await second()
    assert.equal(left, 3)
    const { request, isClosing } = awaited()
    void pace.turn(true, request)
    await settle()
    assert.equal(isClosing(), false, 'one place was free')
    while (left < 1_002) await pass()
  })

  test('that nobody waits for give their place back at once, held or about to leave', async () => {
    const { timers, second, sleeping, pass, pausing } = manual()
    const pace = new RefusalPace(timers)
    const [one, other, third] = [awaited(), awaited(), awaited()]
    let left = ''
    void pace.turn(true, one.request).then(() => (left += 'one '))
    one.hurry()
    await settle()
    assert.deepEqual([left, sleeping(), pausing()], ['one ', 0, 0])
    await pace.turn(false)
    void pace.turn(true, other.request).then(() => (left += 'other '))
    void pace.turn(true, third.request).then(() => (left += 'third '))
    await second()
    assert.equal(left, 'one ', 'a pause is on')
    other.hurry()
    await settle()
    assert.equal(left, 'one other ')
    await pass()
    assert.equal(left, 'one other third ', 'and no turn is lost to who is gone')
    await pass()
    assert.equal(pausing(), 0)
  })

  test('that are gone before they are held do not wait', async () => {
    const { timers } = manual()
    const { request, hurry } = awaited()
    hurry()
    let isLeft = false
    // A sleep of the system rejects for a signal that has aborted; one that does not look must not hold the answer either.
    const pace = new RefusalPace({
      ...timers,
      sleep: (_, signal) => (signal?.aborted === true ? Promise.reject(new Error('aborted')) : assert.fail()),
    })
    void pace.turn(true, request).then(() => (isLeft = true))
    await settle()
    assert.equal(isLeft, true)
  })
})
