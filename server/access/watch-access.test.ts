import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { makeTestDirectory } from '#metadata/test-database.ts'
import { watchAccess, EpochMemory } from '#metadata/watch-access.ts'
import { openTestAccess } from './test-access.ts'
import { makeParts } from './test-parts.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { TestRows } from './test-rows.ts'

suite('the access epoch', () => {
  test('moves with the changes of this process at once', async () => {
    await using opened = await openTestAccess()
    const before = await opened.epoch.current()
    const id = await opened.rows.user('alice')
    const after = await opened.epoch.current()
    assert.notEqual(after, before)
    await opened.rows.changeUnseen('users', id, { last_login_at: 5 })
    assert.equal(await opened.epoch.current(), after)
  })

  test('of another process is seen within a second, and read no more often', async () => {
    await using directory = await makeTestDirectory()
    const parts = makeParts()
    await using one = await openTestAccess({ file: directory.file, parts })
    await using other = await openTestAccess({ file: directory.file, parts })
    const before = await one.epoch.current()
    await other.rows.user('alice')
    const reads = one.reads()
    for (let asked = 0; asked < 100; asked++) assert.equal(await one.epoch.current(), before)
    assert.equal(one.reads(), reads)
    parts.advance(1000)
    assert.notEqual(await one.epoch.current(), before)
    assert.equal(one.reads(), reads + 1)
  })

  test('is read once however many ask', async () => {
    await using opened = await openTestAccess()
    const reads = opened.reads()
    await Promise.all(Array.from({ length: 50 }, () => opened.epoch.current()))
    assert.equal(opened.reads(), reads + 1)
  })

  test('that was being read when a change came does not count', async () => {
    const parts = makeParts()
    await using bare = await openTestDatabase(':memory:')
    const { metadata, epoch } = watchAccess(bare, parts.ports.clock)
    const rows = new TestRows(metadata)
    const early = epoch.current()
    await rows.user('alice')
    const late = await epoch.current()
    await early
    assert.equal(await epoch.current(), late)
    assert.ok(late > 0)
  })
})

suite('what is remembered', () => {
  function makeMemory() {
    let value = 1
    const memory = new EpochMemory<string>({ current: () => Promise.resolve(value) }, 2)
    let loads = 0
    const get = (key: string, answer: string | undefined = `${key}${value}`) =>
      memory.get(key, () => {
        loads++
        return Promise.resolve(answer)
      })
    return { get, memory, loads: () => loads, move: () => value++ }
  }

  test('is asked for once until the epoch moves', async () => {
    const { get, loads, move } = makeMemory()
    assert.equal(await get('a'), 'a1')
    assert.equal(await get('a'), 'a1')
    assert.equal(loads(), 1)
    move()
    assert.equal(await get('a'), 'a2')
    assert.equal(loads(), 2)
  })

  test('is asked for once by many at the same time', async () => {
    const { get, loads } = makeMemory()
    await Promise.all(Array.from({ length: 20 }, () => get('a')))
    assert.equal(loads(), 1)
  })

  test('is bounded, and absence is not remembered', async () => {
    const { memory, get, loads } = makeMemory()
    await memory.get('gone', () => Promise.resolve(undefined))
    assert.equal(await get('gone', 'here'), 'here')
    for (const key of ['a', 'b']) await get(key)
    const before = loads()
    await get('gone', 'again')
    assert.equal(loads(), before + 1)
  })

  test('is not what was read before the epoch moved', async () => {
    const { memory, get, move } = makeMemory()
    const { promise, resolve } = Promise.withResolvers<string>()
    const slow = memory.get('a', () => promise)
    await Promise.resolve()
    move()
    await get('b')
    resolve('old')
    assert.equal(await slow, 'old')
    assert.equal(await get('a'), 'a2')
  })

  test('that failed is asked for again', async () => {
    const { memory, get } = makeMemory()
    await assert.rejects(memory.get('a', () => Promise.reject(new Error('away'))))
    assert.equal(await get('a'), 'a1')
  })
})
