/**
 * bcrypt off the event loop: the native addon where a prebuilt one loads, else JavaScript in a worker thread.
 * (Measured at cost 10: 81 ms native, 238 ms in JavaScript, which would be a stall of that length on the event loop.)
 */
import { createWorkerPool, type WorkerPool } from '#lib/worker-pool.ts'
import type { BcryptTask } from './bcrypt-worker.ts'

/** Checks and makes bcrypt hashes without holding the event loop. `cost` is the base-2 logarithm of the rounds. */
export interface Bcrypt {
  readonly kind: 'native' | 'worker'
  /** Also for `$2y$`; only the first 72 bytes of a password count, as everywhere with bcrypt. */
  verify(password: string, hash: string): Promise<boolean>
  hash(password: string, cost: number): Promise<string>
}

/** Higher costs are refused before they come here: see htpasswd.ts. */
const workerDeadlineMs = 60_000

let workers: WorkerPool | undefined

/** The JavaScript one. Its thread starts at first use, ends when idle, and does not keep the process alive. */
export function workerBcrypt(): Bcrypt {
  workers ??= createWorkerPool(new URL('bcrypt-worker.ts', import.meta.url), 1, { deadlineMs: workerDeadlineMs })
  const pool = workers
  return {
    kind: 'worker',
    verify: (password, hash) => pool.run<BcryptTask, boolean>({ verb: 'verify', password, hash }),
    hash: (password, cost) => pool.run<BcryptTask, string>({ verb: 'hash', password, cost }),
  }
}

/** The best one that this machine has. */
export async function loadBcrypt(): Promise<Bcrypt> {
  try {
    const { hash, verify } = await import('@node-rs/bcrypt')
    return { kind: 'native', verify, hash: (password, cost) => hash(password, { cost, version: '2y' }) }
  } catch {
    return workerBcrypt()
  }
}
