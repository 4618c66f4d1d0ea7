import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import type { Timers } from './ports.ts'
import { createWorkerPool, WorkerError, type WorkerFailure, type WorkerPoolOptions } from './worker-pool.ts'

const taskModule = new URL('worker-task.ts', import.meta.url).href
const poolModule = new URL('worker-pool.ts', import.meta.url).href

function moduleOf(source: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`)
}

/** Does what the task says. */
const obedient = moduleOf(`
  import { serveTasks } from ${JSON.stringify(taskModule)}
  import { threadId } from 'node:worker_threads'
  const hoard = []
  serveTasks(async (task) => {
    if (task.sleepMs) await new Promise((resolve) => setTimeout(resolve, task.sleepMs))
    if (task.loop) for (;;);
    if (task.exit) process.exit(3)
    if (task.hoard) for (;;) hoard.push(new Array(1e5).fill(Math.random()))
    if (task.throw) throw Object.assign(new Error('refused'), { name: 'RegistryError', code: 'MANIFEST_INVALID', detail: { at: 3 } })
    if (task.throwText) throw 'just text'
    if (task.uncloneable) return () => 1
    if (task.crashLater) setImmediate(() => { throw new Error('later') })
    return { echo: task.echo, threadId }
  })
`)

interface Output {
  readonly echo: unknown
  readonly threadId: number
}

/** Timers that go off when the test says so: real ones would race with the start of a thread. */
class ManualTimers implements Timers {
  readonly #pending = new Map<() => void, number>()

  after(delayMs: number, callback: () => void): Disposable {
    this.#pending.set(callback, delayMs)
    return { [Symbol.dispose]: () => this.#pending.delete(callback) }
  }

  every(): Disposable {
    throw new Error('not used')
  }

  sleep(): Promise<void> {
    throw new Error('not used')
  }

  get pending(): number[] {
    return [...this.#pending.values()]
  }

  fire(delayMs: number): void {
    const [callback] = [...this.#pending].find(([, delay]) => delay === delayMs) ?? []
    assert.ok(callback, `no timer of ${delayMs} ms is pending`)
    this.#pending.delete(callback)
    callback()
  }
}

const poolOf = (size: number, options?: WorkerPoolOptions) => createWorkerPool(obedient, size, options)

const failsAs = (failure: WorkerFailure) => (error: unknown) => {
  assert.ok(error instanceof WorkerError)
  assert.equal(error.failure, failure)
  return true
}

suite('createWorkerPool', () => {
  test('a task comes back with its output, from another thread', async () => {
    await using pool = poolOf(1)
    const output = await pool.run<unknown, Output>({ echo: new Map([['a', 1n]]) })
    assert.deepEqual(output.echo, new Map([['a', 1n]]))
    assert.notEqual(output.threadId, 0)
  })

  test('a thread is used again, and no more are started than the size', async () => {
    await using pool = poolOf(2)
    const outputs = await Promise.all(Array.from({ length: 12 }, (_, echo) => pool.run<unknown, Output>({ echo, sleepMs: 2 })))
    assert.deepEqual(
      outputs.map((output) => output.echo),
      Array.from({ length: 12 }, (_, index) => index),
    )
    assert.equal(new Set(outputs.map((output) => output.threadId)).size, 2)
  })

  test('tasks that wait are run in the order they came', async () => {
    await using pool = poolOf(1)
    const order: unknown[] = []
    await Promise.all([0, 1, 2, 3].map(async (echo) => order.push((await pool.run<unknown, Output>({ echo })).echo)))
    assert.deepEqual(order, [0, 1, 2, 3])
  })

  test('an error arrives as data, and the thread goes on', async () => {
    await using pool = poolOf(1)
    const { threadId } = await pool.run<unknown, Output>({})
    await assert.rejects(pool.run({ throw: true }), (error: unknown) => {
      assert.ok(error instanceof WorkerError)
      assert.equal(error.failure, 'thrown')
      const { name, message, code, detail, stack } = error.thrown ?? {}
      assert.deepEqual(
        { name, message, code, detail },
        { name: 'RegistryError', message: 'refused', code: 'MANIFEST_INVALID', detail: { at: 3 } },
      )
      assert.match(String(stack), /refused/)
      return true
    })
    await assert.rejects(pool.run({ throwText: true }), { failure: 'thrown', message: 'just text' })
    assert.equal((await pool.run<unknown, Output>({})).threadId, threadId)
  })

  test('an output that cannot be cloned fails its task only', async () => {
    await using pool = poolOf(1)
    await assert.rejects(pool.run({ uncloneable: true }), failsAs('thrown'))
    assert.equal((await pool.run<unknown, Output>({ echo: 1 })).echo, 1)
  })

  test('an input that cannot be cloned fails its task only, also from the queue', async () => {
    await using pool = poolOf(1)
    const first = pool.run<unknown, Output>({ echo: 1 })
    const bad = pool.run({ echo: () => 1 })
    const worse = pool.run({ echo: Symbol('no') })
    const last = pool.run<unknown, Output>({ echo: 2 })
    await assert.rejects(bad, { name: 'DataCloneError' })
    await assert.rejects(worse, { name: 'DataCloneError' })
    assert.deepEqual([(await first).echo, (await last).echo], [1, 2])
  })

  test('a task beyond the deadline loses its thread, and the next one gets a fresh thread', async () => {
    const timers = new ManualTimers()
    await using pool = poolOf(1, { timers, deadlineMs: 5_000 })
    const { threadId } = await pool.run<unknown, Output>({})
    const stuck = pool.run({ loop: true })
    const next = pool.run<unknown, Output>({ echo: 'after' })
    timers.fire(5_000)
    await assert.rejects(stuck, failsAs('deadline'))
    const output = await next
    assert.equal(output.echo, 'after')
    assert.notEqual(output.threadId, threadId)
  })

  test('a thread that exits, or dies of its memory limit, fails its task and is replaced', async () => {
    await using pool = poolOf(1, { resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 } })
    await assert.rejects(pool.run({ exit: true }), failsAs('crashed'))
    await assert.rejects(pool.run({ hoard: true }), (error: unknown) => {
      assert.equal(((error as Error).cause as { code?: string }).code, 'ERR_WORKER_OUT_OF_MEMORY')
      return failsAs('crashed')(error)
    })
    assert.equal((await pool.run<unknown, Output>({ echo: 'alive' })).echo, 'alive')
  })

  test('an exception outside of a task takes the thread, not the process', async () => {
    await using pool = poolOf(1)
    // Which of both tasks it hits is a race: the answer to the first may be under way already.
    const outcomes = await Promise.allSettled([pool.run({ crashLater: true }), pool.run({ sleepMs: 50 })])
    const lost = outcomes.filter((outcome) => outcome.status === 'rejected')
    assert.equal(lost.length, 1)
    assert.ok(failsAs('crashed')(lost[0]?.reason))
    assert.equal((await pool.run<unknown, Output>({ echo: 3 })).echo, 3)
  })

  test('a module that cannot be loaded fails every task, and none waits for ever', async () => {
    await using pool = createWorkerPool(moduleOf('syntax error here'), 1)
    const outcomes = await Promise.allSettled([pool.run(1), pool.run(2), pool.run(3)])
    for (const outcome of outcomes) assert.ok(outcome.status === 'rejected' && failsAs('crashed')(outcome.reason))
  })

  test('a thread that cannot be started fails its task', async () => {
    await using pool = createWorkerPool(new URL('http://127.0.0.1/no-module-of-a-thread'), 1)
    await assert.rejects(pool.run(1), failsAs('crashed'))
    await assert.rejects(pool.run(2), /a worker thread cannot be started/)
  })

  test('threads that cannot be started any more fail those who wait, rather than leave them for ever', async () => {
    const url = new URL(obedient)
    await using pool = createWorkerPool(url, 1)
    const outcomes = Promise.allSettled([pool.run({ sleepMs: 20, exit: true }), pool.run({}), pool.run({})])
    url.href = 'http://127.0.0.1/no-module-of-a-thread'
    for (const outcome of await outcomes) assert.ok(outcome.status === 'rejected' && failsAs('crashed')(outcome.reason))
    url.href = obedient.href
    assert.equal((await pool.run<unknown, Output>({ echo: 4 })).echo, 4)
  })

  test('a second thread that cannot be started leaves the work to the first', async () => {
    const url = new URL(obedient)
    await using pool = createWorkerPool(url, 2)
    const first = pool.run<unknown, Output>({ sleepMs: 20 })
    url.href = 'http://127.0.0.1/no-module-of-a-thread'
    const second = pool.run<unknown, Output>({})
    assert.equal((await second).threadId, (await first).threadId)
  })

  test('more tasks than the queue holds are refused as busy', async () => {
    await using pool = poolOf(1, { queueMax: 2 })
    const accepted = [0, 1, 2].map((echo) => pool.run<unknown, Output>({ echo }))
    await assert.rejects(pool.run({}), failsAs('busy'))
    assert.equal((await Promise.all(accepted)).length, 3)
    assert.equal((await pool.run<unknown, Output>({ echo: 4 })).echo, 4)
  })

  test('an abort takes a waiting task out of the queue and lets go of a running one', async () => {
    await using pool = poolOf(1, { queueMax: 1 })
    const running = new AbortController()
    const waiting = new AbortController()
    const first = pool.run({ sleepMs: 50 }, running.signal)
    const second = pool.run({}, waiting.signal)
    waiting.abort(new Error('gone away'))
    await assert.rejects(second, /gone away/)
    const third = pool.run<unknown, Output>({ echo: 3 })
    running.abort(new Error('gone too'))
    await assert.rejects(first, /gone too/)
    assert.equal((await third).echo, 3)
    await assert.rejects(pool.run({}, AbortSignal.abort(new Error('before'))), /before/)
  })

  test('what is transferred moves, what is not is copied', async () => {
    await using pool = poolOf(1)
    const copied = new Uint8Array(8)
    const moved = new Uint8Array(8)
    await pool.run({ echo: copied })
    await pool.run({ echo: moved }, undefined, [moved.buffer])
    assert.deepEqual([copied.byteLength, moved.byteLength], [8, 0])
  })

  test('closing fails what runs and what waits, and refuses what comes', async () => {
    const pool = poolOf(1)
    const outcomes = Promise.allSettled([pool.run({ loop: true }), pool.run({})])
    await pool[Symbol.asyncDispose]()
    for (const outcome of await outcomes) assert.ok(outcome.status === 'rejected' && failsAs('closed')(outcome.reason))
    await assert.rejects(pool.run({}), failsAs('closed'))
    await pool[Symbol.asyncDispose]()
  })

  test('a thread that has been idle ends, and another one takes the next task', async () => {
    const timers = new ManualTimers()
    await using pool = poolOf(1, { timers, idleMs: 7_000 })
    const { threadId } = await pool.run<unknown, Output>({})
    timers.fire(7_000)
    assert.notEqual((await pool.run<unknown, Output>({})).threadId, threadId)
    assert.deepEqual(timers.pending, [7_000])
  })

  test('an idle pool does not keep the process alive, a running task does', async () => {
    const script = `
      import { createWorkerPool } from ${JSON.stringify(poolModule)}
      const pool = createWorkerPool(new URL(${JSON.stringify(obedient.href)}), 1)
      await pool.run({})
      pool.run({ sleepMs: 50, echo: 'finished' }).then((output) => console.log(output.echo))
    `
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { timeout: 20_000 })
    assert.equal(stdout, 'finished\n')
  })
})
