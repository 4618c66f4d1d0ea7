/**
 * What happens next, decided by a seed.
 *
 * Everything that the real code waits for outside of itself (an I/O that completes, a commit, a timer) is a pending event here. One event is picked at a
 * time; then all that follows from it without another event runs to its end. So the order of everything is a function of the seed, a crash can fall between
 * any two events, and code of a process that died never goes on: its events are dropped.
 */
import { createHash } from 'node:crypto'
import type { SeededRandom } from './random.ts'

/** Whom events belong to. */
export interface EventOwner {
  readonly name: string
  /** Its events wait until it goes on. */
  isPaused: boolean
}

interface Pending {
  readonly label: string
  readonly owner: EventOwner
  /** By the monotonic clock; undefined: as soon as it is picked. */
  readonly dueAt: number | undefined
  readonly run: () => void
  /** What a crash makes of it. */
  readonly onCrash: (() => void) | undefined
}

/** A pending event, for who wants to take it back. */
export type PendingEvent = Pending

const waitForTurn = setImmediate
/** Beyond this the simulated code goes in circles. */
const stepsMax = 200_000
const startOfTime = Date.UTC(2026, 0, 1)

/** Calls of `setImmediate` by the code under test are events of the simulator's turn, not of the machine's. */
const immediates: (() => void)[] = []
globalThis.setImmediate = ((callback: (...args: unknown[]) => void, ...args: unknown[]) => {
  immediates.push(() => callback(...args))
}) as typeof setImmediate

/** Owns time and order. */
export class Scheduler {
  readonly random: SeededRandom
  steps = 0
  /** Milliseconds; never steps back. */
  monotonic = 1_000
  /** What the wall clock shows beyond the monotonic one. */
  wallOffset = startOfTime
  /** The last labels, for people. */
  readonly recent: string[] = []
  isTraced = false
  readonly #trace = createHash('sha256')
  #pending: Pending[] = []

  constructor(random: SeededRandom) {
    this.random = random
  }

  get now(): number {
    return this.monotonic + this.wallOffset
  }

  /** Adds to what two runs of one seed must have in common. */
  note(text: string): void {
    this.#trace.update(text).update('\n')
    const line = `${this.steps} ${this.monotonic} ${text}`
    if (this.isTraced) console.log(line)
    this.recent.push(line)
    if (this.recent.length > 60) this.recent.shift()
  }

  get traceHash(): string {
    return this.#trace.copy().digest('hex')
  }

  add(event: Omit<Pending, 'onCrash' | 'dueAt'> & Partial<Pick<Pending, 'onCrash' | 'dueAt'>>): PendingEvent {
    const pending: Pending = { onCrash: undefined, dueAt: undefined, ...event }
    this.#pending.push(pending)
    return pending
  }

  remove(event: PendingEvent): void {
    const index = this.#pending.indexOf(event)
    if (index !== -1) this.#pending.splice(index, 1)
  }

  /** Drops what belongs to a process that died. */
  drop(owner: EventOwner): void {
    for (const each of this.#pending) if (each.owner === owner) each.onCrash?.()
    this.#pending = this.#pending.filter((each) => each.owner !== owner)
  }

  /** Runs what follows from what happened, until everything waits for an event. */
  async settle(): Promise<void> {
    do {
      for (const run of immediates.splice(0)) run()
      await new Promise<void>((resolve) => waitForTurn(resolve))
    } while (immediates.length > 0)
  }

  /** Lets one event happen. False: there is none that can, without or (`mayWait`) with waiting for it. */
  async step(mayWait: boolean): Promise<boolean> {
    if (++this.steps > stepsMax) throw new Error('the simulation does not come to an end')
    this.monotonic += this.random.below(3)
    const awake = this.#pending.filter(({ owner }) => !owner.isPaused)
    let ready = awake.filter(({ dueAt }) => dueAt === undefined || dueAt <= this.monotonic)
    if (ready.length === 0) {
      if (!mayWait || awake.length === 0) return false
      this.monotonic = Math.min(...awake.map(({ dueAt }) => dueAt ?? this.monotonic))
      ready = awake.filter(({ dueAt }) => dueAt === undefined || dueAt <= this.monotonic)
    }
    const event = this.random.pick(ready)
    this.remove(event)
    this.note(`${event.owner.name} ${event.label}`)
    event.run()
    await this.settle()
    return true
  }

  /** The machine sleeps, or much time goes by: timers that are over fire once each afterwards. */
  advance(byMs: number): void {
    this.monotonic += byMs
  }

  /** Somebody sets the clock of the machine. */
  stepClock(byMs: number): void {
    this.wallOffset += byMs
  }
}
