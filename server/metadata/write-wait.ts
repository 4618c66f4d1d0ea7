/**
 * How long a write waited, for times that were reckoned before it.
 *
 * The problem: who calls `Metadata.write` reckons until when something is safe from garbage collection, and then the write waits: for its turn, for another
 * process that writes, for a server that is away. Whatever was answered meanwhile relies on a whole delay from that answer, and what is collected later was
 * due by the old reckoning. The way: each transaction knows when `write` was called, and what stores such a time moves it by the wait until then
 * ({@link afterWait}), so it counts from the commit but for the last statements before it. By the wall clock, which such times are held against: where
 * that one leaps during the wait they leap along; where it is set back they stay as they are, which is longer.
 */
import type { Transactor } from './metadata.ts'

/** When `write` was called, and the same clock now; milliseconds. */
export interface WriteWait {
  readonly queuedAt: number
  readonly now: () => number
}

const waits = new WeakMap<Transactor, WriteWait>()

/** Called by who begins a transaction, before it runs. */
export function openWait(tx: Transactor, wait: WriteWait): void {
  waits.set(tx, wait)
}

/** A time in the future that was reckoned right before `write` was called, as it would be reckoned now. */
export function afterWait(tx: Transactor, time: number): number {
  const wait = waits.get(tx)
  return wait === undefined ? time : time + Math.max(0, wait.now() - wait.queuedAt)
}
