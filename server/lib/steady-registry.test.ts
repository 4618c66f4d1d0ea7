import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Gauge } from 'prom-client'
import { SteadyRegistry } from './steady-registry.ts'

function makePage() {
  const watches = new Set<() => void>()
  const away = {
    isAway: false,
    onAway(callback: () => void) {
      watches.add(callback)
      return { [Symbol.dispose]: () => void watches.delete(callback) }
    },
  }
  const registry = new SteadyRegistry()
  const late = new Set<() => void>()
  const timers = {
    after(_delayMs: number, callback: () => void) {
      late.add(callback)
      return { [Symbol.dispose]: () => void late.delete(callback) }
    },
  }
  registry.follow(away, timers)
  const registers = [registry]
  let answer: () => Promise<number> = () => Promise.resolve(1)
  let asked = 0
  new Gauge({
    name: 'from_database',
    help: 'is read',
    registers,
    async collect() {
      asked++
      this.set(await answer())
    },
  })
  new Gauge({
    name: 'away',
    help: 'is known',
    registers,
    collect() {
      this.set(Number(away.isAway))
    },
  })
  const read = async () => (await registry.metrics()).match(/^(?:from_database|away) \d+/gm)
  return {
    read,
    registry,
    asked: () => asked,
    answerWith: (next: () => Promise<number>) => (answer = next),
    leave: () => {
      away.isAway = true
      for (const watch of watches) watch()
    },
    passTwoSeconds: () => late.forEach((callback) => callback()),
    late,
    comeBack: () => (away.isAway = false),
    watches,
  }
}

test('the page is there at once while the database is away, with what was known before', async () => {
  const page = makePage()
  assert.deepEqual(await page.read(), ['from_database 1', 'away 0'])
  page.answerWith(() => new Promise(() => undefined))
  const waiting = page.read()
  await sleep(5)
  page.leave()
  // It was asked for before.
  assert.deepEqual(await waiting, ['from_database 1', 'away 0'])
  const asked = page.asked()
  assert.deepEqual(await page.read(), ['from_database 1', 'away 1'])
  assert.equal(page.asked(), asked, 'nothing is asked that would wait')
  page.comeBack()
  page.answerWith(() => Promise.resolve(7))
  assert.deepEqual(await page.read(), ['from_database 7', 'away 0'])
  assert.equal(page.watches.size, 0)
})

test('what fails because the database went is no fault of the page, and what fails else is', async () => {
  const page = makePage()
  page.answerWith(() => Promise.reject(new Error('broken')))
  await assert.rejects(page.read(), /broken/)
  page.answerWith(async () => {
    await sleep(5)
    page.leave()
    throw new Error('gone')
  })
  assert.deepEqual(await page.read(), ['from_database 0', 'away 0'])
})

test('a page that follows nothing waits for all', async () => {
  const registry = new SteadyRegistry()
  new Gauge({
    name: 'slow',
    help: 'is read',
    registers: [registry],
    async collect() {
      await sleep(5)
      this.set(3)
    },
  })
  assert.match(await registry.metrics(), /^slow 3$/m)
})

test('a database that hangs, and is not known to be away yet, holds the page up for two seconds; who reads it meanwhile asks nothing more', async () => {
  const page = makePage()
  assert.deepEqual(await page.read(), ['from_database 1', 'away 0'])
  page.answerWith(() => new Promise(() => undefined))
  const before = page.asked()
  const waiting = [page.read(), page.read()]
  await sleep(5)
  assert.equal(page.asked(), before + 1)
  page.passTwoSeconds()
  for (const each of waiting) assert.deepEqual(await each, ['from_database 1', 'away 0'])
  page.answerWith(() => Promise.resolve(3))
  assert.deepEqual(await page.read(), ['from_database 3', 'away 0'])
  assert.deepEqual([page.late.size, page.watches.size], [0, 0])
})
