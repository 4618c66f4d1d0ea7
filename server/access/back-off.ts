/**
 * Back-off after wrong passwords, held in the database, so that every process counts the same.
 *
 * The problem: passwords must not be guessed, and neither may somebody who guesses at an account lock its owner out, nor fill the queue in which
 * others' passwords wait. The way: three counts, each with a limit that doubles from a second to a quarter of an hour. By account and address together
 * (5 free): a guesser stops himself. By address (50 free): somebody who tries many names. By account (5 free): many addresses that guess at one, but it
 * slows only addresses from which that account has not been opened lately. A count is read before anything is hashed and written only
 * when a password was really checked, and the first time in a day that an account is opened from an address: it is known there from then on, to every process
 * and after a restart. A remembered credential comes here only from an address that it was not remembered at, or that was told to wait many times in a row. That a pair or an address is to wait is remembered for a second, so that
 * who goes on all the same costs no read. How many checks one address may have under way is bounded.
 * To count by something else, add a subject to {@link subjectsOf} with its limit.
 */
import { createHash } from 'node:crypto'
import type { Ports } from '#lib/ports.ts'
import { findLoginFailures, purgeLoginFailures, putLoginFailures, type LoginFailures } from '#metadata/login-failures.ts'
import type { Metadata, Transactor } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import { clientNetwork } from './networks.ts'

const freeByPair = 5
const freeByAccount = 5
const freeByAddress = 50
const firstDelayMs = 1_000
const longestDelayMs = 15 * 60_000
/** Failures count no more when none came for this long. */
const forgottenAfterMs = 60 * 60_000
/** Rows, addresses of an account that are known among them, are kept this long. */
const keptMs = 30 * 24 * 60 * 60_000
/** Rows of failures below the limit are of no use once they are forgotten. */
const purgeEvery = 500
const purgedAtOnce = 1_000
/** Checks under way at once. Clients that come together with one right password share one check. */
const runningByAddress = 32
const runningByPair = 4
const knownMax = 10_000
/** Another process may have forgiven meanwhile. */
const waitsRememberedMs = 1_000
const waitsMax = 10_000
/** So many refusals of a pair in a row, and a remembered password is no way past them: else it would show which guess is right. */
const besiegedAfter = 20
/** How old the note of a success may get before it is written again. */
const knownWrittenEveryMs = 24 * 60 * 60_000

/** Who tries what. */
export interface Attempt {
  readonly name: string
  /** Empty: unknown (a unix socket), and not counted. */
  readonly address: string
}

interface Subjects {
  readonly pair: string
  readonly account: string
  readonly address: string | undefined
}

/** Until when a subject is to wait, by the clock of rows, and until when that is taken for true, by the one that never steps. */
interface Wait {
  readonly until: number
  readonly freshUntil: number
}

interface Outcome extends Subjects {
  readonly isRight: boolean
  readonly now: number
}

const note = transaction(import.meta.url, 'back-off/note', async (tx, outcome: Outcome): Promise<void> => {
  const rows = await rowsOf(tx, outcome)
  await (outcome.isRight ? forgive(tx, outcome, rows) : count(tx, outcome, rows))
})

const purge = transaction(import.meta.url, 'back-off/purge', (tx, input: { readonly before: number; readonly limit: number }) =>
  purgeLoginFailures(tx, input),
)

type Rows = ReadonlyMap<string, LoginFailures>

async function count(tx: Transactor, { pair, account, address, now }: Outcome, rows: Rows): Promise<void> {
  const limits = [
    [pair, freeByPair],
    [account, freeByAccount],
    [address, freeByAddress],
  ] as const
  for (const [subject, free] of limits) {
    if (subject === undefined) continue
    const failures = failuresOf(rows.get(subject), now) + 1
    await putLoginFailures(tx, { subject, failures, lastAt: now, blockedUntil: failures < free ? 0 : now + delayAfter(failures - free) })
  }
}

/** What this address got wrong about this account is taken back everywhere, and the address is known to the account from now on. */
async function forgive(tx: Transactor, { pair, account, address, now }: Outcome, rows: Rows): Promise<void> {
  const own = failuresOf(rows.get(pair), now)
  await putLoginFailures(tx, { subject: pair, failures: 0, lastAt: now, blockedUntil: 0 })
  for (const subject of [account, address]) {
    const row = subject === undefined ? undefined : rows.get(subject)
    if (row === undefined || own === 0) continue
    const failures = Math.max(0, failuresOf(row, now) - own)
    await putLoginFailures(tx, { ...row, failures, blockedUntil: failures === 0 ? 0 : row.blockedUntil })
  }
}

/** Lets tries through, or asks them to come again. One per process. */
export class BackOff {
  readonly #metadata: Metadata
  readonly #clock: Ports['clock']
  readonly #running = new Map<string, number>()
  /** Pairs that were right lately; oldest first. */
  readonly #known = new Set<string>()
  /** Of pairs and addresses; oldest first. */
  readonly #waits = new Map<string, Wait>()
  /** How often pairs were told to wait since they were right; oldest first. */
  readonly #refusals = new Map<string, number>()
  #notes = 0

  constructor(metadata: Metadata, clock: Ports['clock']) {
    this.#metadata = metadata
    this.#clock = clock
  }

  /**
   * Before a password is checked. Throws TOOMANYREQUESTS while the pair, the address or (from an unknown address) the account is to wait.
   * Whether the account was opened from that address before.
   */
  async admit(attempt: Attempt): Promise<boolean> {
    const subjects = subjectsOf(attempt)
    const now = this.#clock.now()
    const remembered = Math.max(this.#waitOf(subjects.pair), this.#waitOf(subjects.address))
    if (remembered > now) throw this.#refuse(subjects.pair, remembered - now)
    const rows = await rowsOf(this.#metadata.reader, subjects)
    const pair = rows.get(subjects.pair)
    // A row without failures is left by a success: the account was opened from there.
    const isKnown = this.#known.has(subjects.pair) || (pair !== undefined && pair.failures === 0)
    const deciding = [
      pair,
      isKnown ? undefined : rows.get(subjects.account),
      subjects.address === undefined ? undefined : rows.get(subjects.address),
    ]
    const until = Math.max(0, ...deciding.map((row) => row?.blockedUntil ?? 0))
    if (until <= now) return isKnown
    for (const subject of [subjects.pair, subjects.address]) this.#rememberWait(subject, rows)
    throw this.#refuse(subjects.pair, until - now)
  }

  /** Whether that account was refused there so often, without a right password in between, that memory lets nobody past. */
  isBesieged(attempt: Attempt): boolean {
    return this.#refusals.size > 0 && (this.#refusals.get(subjectsOf(attempt).pair) ?? 0) >= besiegedAfter
  }

  #refuse(pair: string, waitMs: number): RegistryError {
    const refusals = (this.#refusals.get(pair) ?? 0) + 1
    this.#refusals.delete(pair)
    this.#refusals.set(pair, refusals)
    const [oldest] = this.#refusals.keys()
    if (this.#refusals.size > waitsMax && oldest !== undefined) this.#refusals.delete(oldest)
    return tooMany(Math.ceil(waitMs / 1000))
  }

  /** 0: not known to wait. */
  #waitOf(subject: string | undefined): number {
    const wait = subject === undefined ? undefined : this.#waits.get(subject)
    return wait === undefined || wait.freshUntil <= this.#clock.monotonic() ? 0 : wait.until
  }

  #rememberWait(subject: string | undefined, rows: Rows): void {
    const until = subject === undefined ? 0 : (rows.get(subject)?.blockedUntil ?? 0)
    if (subject === undefined || until === 0) return
    this.#waits.delete(subject)
    this.#waits.set(subject, { until, freshUntil: this.#clock.monotonic() + waitsRememberedMs })
    const [oldest] = this.#waits.keys()
    if (this.#waits.size > waitsMax && oldest !== undefined) this.#waits.delete(oldest)
  }

  /** Runs the check and takes note of what came out: `false` is a wrong password. What `check` throws is no judgement and is not counted. */
  async judge<Result>(attempt: Attempt, check: () => Promise<Result | false>): Promise<Result | false> {
    const subjects = subjectsOf(attempt)
    // Others may have failed while this one waited for its turn.
    await this.admit(attempt)
    using _pair = this.#enter(subjects.pair, runningByPair)
    using _address = subjects.address === undefined ? undefined : this.#enter(subjects.address, runningByAddress)
    const result = await check()
    await this.#note(subjects, result !== false)
    return result
  }

  async #note(subjects: Subjects, isRight: boolean): Promise<void> {
    const now = this.#clock.now()
    if (isRight) {
      this.#know(subjects.pair)
      this.#waits.delete(subjects.pair)
      this.#refusals.delete(subjects.pair)
      if (subjects.address !== undefined) this.#waits.delete(subjects.address)
      const rows = await rowsOf(this.#metadata.reader, subjects)
      const pair = rows.get(subjects.pair)
      // Nothing was wrong before, and it is known here: nothing to write.
      if (pair !== undefined && failuresOf(pair, now) === 0 && now - pair.lastAt < knownWrittenEveryMs) return
    }
    await this.#metadata.write(note, { ...subjects, isRight, now })
    this.#notes++
    if (this.#notes % purgeEvery === 0) await this.#metadata.write(purge, { before: now - keptMs, limit: purgedAtOnce })
  }

  #know(pair: string): void {
    this.#known.delete(pair)
    this.#known.add(pair)
    const [oldest] = this.#known
    if (this.#known.size > knownMax && oldest !== undefined) this.#known.delete(oldest)
  }

  #enter(subject: string, maximum: number): Disposable {
    const running = this.#running.get(subject) ?? 0
    if (running >= maximum) throw tooMany(1)
    this.#running.set(subject, running + 1)
    return {
      [Symbol.dispose]: () => {
        const rest = (this.#running.get(subject) ?? 1) - 1
        if (rest === 0) this.#running.delete(subject)
        else this.#running.set(subject, rest)
      },
    }
  }
}

async function rowsOf(reader: Parameters<typeof findLoginFailures>[0], { pair, account, address }: Subjects): Promise<Rows> {
  return new Map((await findLoginFailures(reader, [pair, account, address])).map((row) => [row.subject, row]))
}

function failuresOf(row: LoginFailures | undefined, now: number): number {
  return row === undefined || now - row.lastAt > forgottenAfterMs ? 0 : row.failures
}

function delayAfter(excess: number): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(excess, 30))
}

const nameMax = 128

function subjectsOf({ name, address }: Attempt): Subjects {
  // Names are the caller's: a long one is counted by its hash.
  const account = name.length <= nameMax ? name : `#${createHash('sha256').update(name).digest('base64url')}`
  const network = clientNetwork(address)
  return { account: `account:${account}`, pair: `pair:${network} ${account}`, address: network === '' ? undefined : `address:${network}` }
}

function tooMany(seconds: number): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', undefined, {
    message: 'too many wrong passwords: wait before you try again',
    retryAfterSeconds: seconds,
  })
}
