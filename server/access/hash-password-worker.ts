/** The thread of hash-passwords.ts: other threads go before it, and it hashes on itself, never on libuv's threads. */
import { argon2Sync, type Argon2Parameters } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { serveTasks } from '#lib/worker-task.ts'

/**
 * One task of the thread. `argon2id` answers with the tag, `bcrypt/verify` with a boolean, `bcrypt/hash` with a modular crypt string.
 * `cost` is the base-2 logarithm of the rounds; `engine` is JavaScript where a test asks for it, else the best there is.
 */
export type HashTask =
  | { readonly verb: 'argon2id'; readonly message: string; readonly parameters: Omit<Argon2Parameters, 'message'> }
  | { readonly verb: 'bcrypt/verify'; readonly password: string; readonly hash: string; readonly engine: BcryptEngine }
  | { readonly verb: 'bcrypt/hash'; readonly password: string; readonly cost: number; readonly engine: BcryptEngine }

/** `native` falls back to JavaScript where no prebuilt addon loads. */
export type BcryptEngine = 'native' | 'javascript'

interface SyncBcrypt {
  verify(password: string, hash: string): boolean
  hash(password: string, cost: number): string
}

/**
 * A tenth of what another thread gets where both want the same core. Measured on two cores, both busy with other work: an argon2id hash takes 0.4 s
 * (1.2 s at 19, the lowest) instead of 0.1 s, and the p99 of a pull in a flood of wrong passwords is as good as with 19.
 */
const niceValue = 10

/** On Linux a thread has a priority of its own: the last link of /proc/thread-self is its id. Elsewhere that would be the whole process's. */
function lowerPriority(): void {
  if (process.platform !== 'linux') return
  try {
    const threadId = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    // 0 and what is no number would mean the caller's process.
    if (threadId > 0) setPriority(threadId, niceValue)
  } catch {
    // Without /proc, or where it is forbidden: hashes are as right, and compete.
  }
}

let native: Promise<SyncBcrypt> | undefined
let javascript: Promise<SyncBcrypt> | undefined

async function loadNative(): Promise<SyncBcrypt> {
  try {
    const { hashSync, verifySync } = await import('@node-rs/bcrypt')
    return { verify: verifySync, hash: (password, cost) => hashSync(password, { cost, version: '2y' }) }
  } catch {
    return await (javascript ??= loadJavascript())
  }
}

async function loadJavascript(): Promise<SyncBcrypt> {
  const { default: bcrypt } = await import('bcryptjs')
  return { verify: (password, hash) => bcrypt.compareSync(password, hash), hash: (password, cost) => bcrypt.hashSync(password, cost) }
}

/** Loaded at its first use: accounts of the database need none. */
async function bcryptOf(engine: BcryptEngine): Promise<SyncBcrypt> {
  return await (engine === 'native' ? (native ??= loadNative()) : (javascript ??= loadJavascript()))
}

lowerPriority()
serveTasks(async (task: HashTask) => {
  if (task.verb === 'argon2id') return argon2Sync('argon2id', { message: task.message, ...task.parameters })
  const bcrypt = await bcryptOf(task.engine)
  return task.verb === 'bcrypt/verify' ? bcrypt.verify(task.password, task.hash) : bcrypt.hash(task.password, task.cost)
})
