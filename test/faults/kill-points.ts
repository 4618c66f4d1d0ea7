import assert from 'node:assert/strict'
import type { RunningBerth } from '../support/start-berth.ts'
import { violationsOf } from '../support/violations.ts'
import { inject } from './inject.ts'

/** The calls by which something becomes durable, or goes. A thread that is killed does not make the call at whose entry the signal finds it. */
const durableCalls = 'pwrite64,pwritev,pwritev2,fdatasync,fsync,rename,mkdir,unlink,rmdir,ftruncate'
/** Files are written by the threads of libuv, of which there shall be one; the database is written by a thread of its own. */
const threads = ['libuv-worker', 'database writer']
/** More than any request makes: a loop that does not end before is a fault of the test. */
const endless = 400

/** How a server is started whose calls can be counted. */
export const countable = { env: { UV_THREADPOOL_SIZE: '1' } }

/** Something that a crash may interrupt anywhere. */
export interface Interruptible<State> {
  /** Before the calls are counted. */
  prepare(): Promise<State>
  /** What is interrupted. Fails when it gets no answer. */
  act(state: State): Promise<unknown>
  /** What must be true afterwards, on a server that runs again. */
  check(state: State): Promise<void>
}

/**
 * Kills the server at the first durable call that a thread makes for `act`, then at the second, and so on until `act` makes no more; the same for each thread.
 * The invariants hold after every restart, and after every check. Returns how many times each thread was killed.
 */
export async function killAtEveryCall<State>(
  berth: RunningBerth,
  { prepare, act, check }: Interruptible<State>,
): Promise<Readonly<Record<string, number>>> {
  const kills: Record<string, number> = {}
  for (const thread of threads) {
    let wasKilled = true
    for (let n = 1; wasKilled; n++) {
      assert.ok(n < endless, `${thread} makes no end`)
      const state = await prepare()
      wasKilled = await killAt(berth, { thread, n }, () => act(state))
      if (wasKilled) {
        kills[thread] = n
        await berth.kill9()
        await berth.restart()
        assert.deepEqual(await violationsOf(berth), [], `after a kill at call ${n} of ${thread}`)
      }
      await check(state)
      assert.deepEqual(await violationsOf(berth), [], `after going on from a kill at call ${n} of ${thread}`)
    }
  }
  return kills
}

/** False when the act was over before the thread made so many calls. */
async function killAt(berth: RunningBerth, point: { thread: string; n: number }, act: () => Promise<unknown>): Promise<boolean> {
  const injection = await inject(berth.pid(), { inject: `${durableCalls}:signal=KILL:when=${point.n}`, thread: point.thread })
  const failure = await act().then(
    () => undefined,
    (error: unknown) => error,
  )
  await injection[Symbol.asyncDispose]()
  console.log(injection.trace())
  if (failure !== undefined && !injection.killed()) throw failure
  return injection.killed()
}
