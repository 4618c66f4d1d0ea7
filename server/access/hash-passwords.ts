/**
 * Hashing of passwords, off the event loop and behind it.
 *
 * The problem: a hash costs 30 to 300 ms of a core by design, and whoever sends wrong passwords decides how many there are. On libuv's threads they
 * compete with the event loop for the cores, and with file operations for the threads. The way: threads of their own, of a low priority, which
 * leave a core to the event loop. They start with the first password and end when idle. Who is hashed for when is decided by
 * remembered-credentials.ts. To add a kind of hash, add a verb to {@link HashTask}.
 */
import { availableParallelism } from 'node:os'
import { createWorkerPool, WorkerError, type WorkerPool } from '#lib/worker-pool.ts'
import { RegistryError } from '#oci/errors.ts'
import type { HashTask } from './hash-password-worker.ts'

/**
 * Hashes at a time. A core is left to the event loop: on two cores a flood of wrong passwords that takes both makes the p99 of a pull 12 times what
 * it is (test/long/password-flood.test.ts). More than two threads would give a flood more of the machine than those who sign in need.
 */
export const hashesAtOnce = Math.max(1, Math.min(2, availableParallelism() - 1))

/** A bcrypt of the highest accepted cost (htpasswd.ts) is 8 s in JavaScript on an idle core, and these threads run on what others leave. */
const deadlineMs = 60_000
const retryAfterSeconds = 5
/** Enough for JavaScript; what argon2 takes is not counted here. */
const resourceLimits = { maxOldGenerationSizeMb: 64 }

/** Threads of their own; the process shares {@link hashInThread}'s. */
export function createHashThreads(moduleUrl: URL = new URL('hash-password-worker.ts', import.meta.url)): WorkerPool {
  return createWorkerPool(moduleUrl, hashesAtOnce, { deadlineMs, resourceLimits })
}

let shared: WorkerPool | undefined

/** Runs the task in a thread. Throws TOOMANYREQUESTS when too many wait, UNAVAILABLE when no thread can be had or it does not answer. */
export async function hashInThread<Output>(task: HashTask, threads: WorkerPool = (shared ??= createHashThreads())): Promise<Output> {
  try {
    return await threads.run<HashTask, Output>(task)
  } catch (error) {
    throw error instanceof WorkerError ? translated(error) : error
  }
}

function translated(cause: WorkerError): Error {
  if (cause.failure === 'thrown') return new Error(`a password cannot be hashed: ${cause.message}`, { cause })
  if (cause.failure === 'busy') {
    return new RegistryError('TOOMANYREQUESTS', undefined, { cause, message: 'too many sign-ins at once', retryAfterSeconds })
  }
  return new RegistryError('UNAVAILABLE', undefined, { cause, message: 'passwords cannot be checked at the moment', retryAfterSeconds })
}
