import assert from 'node:assert/strict'
import type { RunningBerth } from '../support/start-berth.ts'
import { violationsOf } from '../support/violations.ts'
import { inject, type Injection } from './inject.ts'

/** The calls by which something becomes durable, or goes. */
const durableCalls = 'pwrite64,pwritev,pwritev2,fdatasync,fsync,rename,mkdir,unlink,rmdir,ftruncate'
/** Files are written by the threads of libuv, of which there shall be one; the database is written by a thread of its own. */
const threads = ['libuv-worker', 'database writer']
/** More than any request makes: a loop that does not end before is a fault of the test. */
const endless = 400

/** How a server is started whose calls can be counted: without the journal, which is written by the clock. */
export const countable = { env: { UV_THREADPOOL_SIZE: '1' }, config: { backup: { journal: false } } }

/** Something that a crash may interrupt anywhere. */
export interface Interruptible<State> {
  /** Before the calls are counted. */
  readonly prepare: () => Promise<State>
  /** What is interrupted. Fails when it gets no answer. */
  readonly act: (state: State) => Promise<unknown>
  /** What must be true afterwards, on a server that runs again. */
  readonly check: (state: State) => Promise<void>
}

/**
 * Learns which durable calls each thread makes for `act`. Then kills the server as it enters the first of them, the second, and so on until `act`
 * makes no more; a call at whose entry a thread is killed is not made. The invariants hold after every restart, and `check` does too.
 * Returns how many times the server was killed, by thread and call.
 */
export async function killAtEveryCall<State>(
  berth: RunningBerth,
  { prepare, act, check }: Interruptible<State>,
): Promise<ReadonlyMap<string, number>> {
  const kills = new Map<string, number>()
  const killAt = async (thread: string, call: string, n: number) => {
    const state = await prepare()
    const injection = await whileInjected(berth, { thread, inject: `${call}:signal=KILL:when=${n}` }, () => act(state))
    if (injection.killed()) {
      await berth.kill9()
      await berth.restart()
      assert.deepEqual(await violationsOf(berth), [], `after a kill at ${call} #${n} of ${thread}`)
      kills.set(`${thread}: ${call}`, n)
    }
    await check(state)
    return injection.killed()
  }
  for (const thread of threads) {
    const state = await prepare()
    const traced = await whileInjected(berth, { thread, inject: `${durableCalls}:delay_enter=1` }, () => act(state))
    await check(state)
    for (const call of new Set(Array.from(traced.trace().matchAll(/^(\w+)\(/gmu), ([, name = '']) => name))) {
      // strace counts each call of each thread by itself.
      for (let n = 1; await killAt(thread, call, n); n++) assert.ok(n < endless, `${thread} makes no end of ${call}`)
    }
  }
  assert.deepEqual(await violationsOf(berth), [])
  return kills
}

async function whileInjected(
  berth: RunningBerth,
  tampering: { readonly thread: string; readonly inject: string },
  act: () => Promise<unknown>,
): Promise<Injection> {
  const injection = await inject(berth.pid(), tampering)
  try {
    await act()
  } catch (error) {
    await injection[Symbol.asyncDispose]()
    if (!injection.killed()) throw error
  }
  await injection[Symbol.asyncDispose]()
  return injection
}
