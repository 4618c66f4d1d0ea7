/**
 * The ports through which every room meets time, randomness, timers and the file system.
 *
 * The problem: a crash, a lost fsync or a lease that runs out can only be tested reproducibly when the real code (not a mock of it) runs
 * under a simulator with a seed. The way: `main.ts` hands {@link systemPorts} to the rooms, a simulator hands in its own; the linter
 * forbids the globals elsewhere in server/. To add a port, add a member here and use it nowhere else by its global name.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import * as fs from 'node:fs/promises'

/** The time, in milliseconds. */
export interface Clock {
  /** Milliseconds since the epoch, for what is stored and shown. */
  now(): number
  /** Milliseconds from an arbitrary start that never steps back, for durations. */
  monotonic(): number
}

/** What keys, ids and passwords are made from, so outside of a simulator nobody can guess it. `uuid` is a version 4 (RFC 9562). */
export interface Random {
  bytes(count: number): Buffer
  uuid(): string
}

/** Waiting, in milliseconds. */
export interface Timers {
  /** Calls `callback` once after `delayMs`; disposing cancels it. A pending timer does not keep the process alive. */
  after(delayMs: number, callback: () => void): Disposable
  /** Calls `callback` each `intervalMs` until disposed. Does not keep the process alive. */
  every(intervalMs: number, callback: () => void): Disposable
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

/** What the rooms use of the file system: the functions of `node:fs/promises` by their own names and meanings. */
export type Files = Pick<
  typeof fs,
  | 'open'
  | 'mkdir'
  | 'rename'
  | 'unlink'
  | 'rm'
  | 'rmdir'
  | 'stat'
  | 'lstat'
  | 'readdir'
  | 'readFile'
  | 'link'
  | 'statfs'
  | 'opendir'
  | 'access'
  | 'copyFile'
>

/** All ports together. A function asks for those that it uses: `Pick<Ports, 'clock'>`. */
export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
  readonly files: Files
}

const systemTimers: Timers = {
  after(delayMs, callback) {
    // oxlint-disable-next-line no-restricted-globals -- this is the port
    const timer = setTimeout(callback, delayMs).unref()
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
  every(intervalMs, callback) {
    // oxlint-disable-next-line no-restricted-globals -- this is the port
    const timer = setInterval(callback, intervalMs).unref()
    return { [Symbol.dispose]: () => clearInterval(timer) }
  },
  sleep(delayMs, signal) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (signal?.aborted) return Promise.reject(signal.reason as Error)
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    // oxlint-disable-next-line no-restricted-globals -- this is the port
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, delayMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    return promise
  },
}

/** The machine's own clock, randomness, timers and files. */
export const systemPorts: Ports = {
  clock: {
    // oxlint-disable-next-line no-restricted-properties -- this is the port
    now: () => Date.now(),
    monotonic: () => performance.now(),
  },
  random: { bytes: (count) => randomBytes(count), uuid: () => randomUUID() },
  timers: systemTimers,
  files: fs,
}
