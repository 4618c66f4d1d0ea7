import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { systemPorts } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { encodeValue, type GroupRunner, type WriteAnswer, type WriteRequest } from './sqlite-group.ts'
import { addSetting, echoBytes } from './test-transactions.ts'
import { WriteQueue } from './write-queue.ts'

/** Answers each request with its number once `release` lets it. */
class FakeRunner implements GroupRunner {
  readonly groups: number[] = []
  readonly groupBytes: number[] = []
  closed = false
  hold: Promise<void> | undefined
  failure: Error | undefined

  async run(requests: readonly WriteRequest[]): Promise<readonly WriteAnswer[]> {
    this.groups.push(requests.length)
    this.groupBytes.push(requests.reduce((sum, { input }) => sum + input.byteLength, 0))
    await this.hold
    if (this.failure) throw this.failure
    return requests.map((_, index) => ({ output: encodeValue(index) }))
  }

  async [Symbol.asyncDispose]() {
    this.closed = true
  }
}

function open() {
  const runner = new FakeRunner()
  return { runner, queue: new WriteQueue(runner, pino({ enabled: false }), systemPorts.clock) }
}

const write = (queue: WriteQueue) => queue.write(addSetting, { name: 'a' })
const unavailable = (error: unknown) => error instanceof RegistryError && error.code === 'UNAVAILABLE'

test('a thousand writes at once are four groups', async () => {
  const { runner, queue } = open()
  await Promise.all(Array.from({ length: 1000 }, () => write(queue)))
  assert.deepEqual(runner.groups, [256, 256, 256, 232])
})

test('writers that go on after each answer keep coming as one group', async () => {
  const { runner, queue } = open()
  const writer = async () => {
    for (let index = 0; index < 10; index++) await write(queue)
  }
  await Promise.all(Array.from({ length: 64 }, writer))
  assert.deepEqual(
    runner.groups,
    Array.from({ length: 10 }, () => 64),
  )
})

test('a group holds a bounded number of bytes, and a larger single input goes alone', async () => {
  const { runner, queue } = open()
  const sizes = [20, 4, 4, 4, 3, 4].map((mebibytes) => Buffer.alloc(mebibytes * 1024 * 1024))
  await Promise.all(sizes.map((bytes) => queue.write(echoBytes, { bytes })))
  assert.deepEqual(runner.groups, [1, 4, 1])
})

test('what waits is bounded: more is refused and the rest is done', async () => {
  const { runner, queue } = open()
  const gate = Promise.withResolvers<void>()
  runner.hold = gate.promise
  const results = Promise.allSettled(Array.from({ length: 20_010 }, () => write(queue)))
  gate.resolve()
  const refused = (await results).filter(({ status }) => status === 'rejected')
  assert.equal(refused.length, 10)
  assert.ok(unavailable((refused[0] as PromiseRejectedResult).reason))
})

test('a group whose writer dies is refused, the next one is tried', async () => {
  const { runner, queue } = open()
  runner.failure = new Error('died')
  await assert.rejects(write(queue), unavailable)
  assert.throws(() => queue.assertWorking(), unavailable)
  runner.failure = undefined
  await write(queue)
  queue.assertWorking()
})

test('closing waits for all that was accepted and then closes the writer', async () => {
  const { runner, queue } = open()
  const writes = Promise.all(Array.from({ length: 300 }, () => write(queue)))
  await queue[Symbol.asyncDispose]()
  assert.ok(runner.closed)
  assert.equal((await writes).length, 300)
  await assert.rejects(write(queue), unavailable)
})
