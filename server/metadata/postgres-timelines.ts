/**
 * Which primary of a cluster is the newest that this process has met.
 *
 * The problem: a primary that stood still while another one took its place (a paused machine, a cut network) wakes, and says that it writes. Its commits are
 * acknowledged by nobody where replication is synchronous, but its rows are of before. The way: each promotion begins a timeline, whose numbers grow; of one
 * cluster a server with a smaller number than one met lately is not talked to. Not for ever: a cluster may really have gone back (restored from a copy, or the
 * one that woke was let lead again), and an operator who did that wants it served.
 */
import type { Logger } from '#lib/logger.ts'
import type { Clock } from '#lib/ports.ts'
import type { ServerFacts } from './postgres-connection.ts'

type Known = Pick<ServerFacts, 'system' | 'timeline'>

/** After the newest primary was heard last: longer than a cluster needs to end one that woke. */
const rememberedForMs = 2 * 60_000

/** Shared by all sessions of one database. */
export class Timelines {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #log: Pick<Logger, 'error'>
  #newest: Known = { system: '', timeline: '' }
  #heardAt = 0

  constructor(clock: Pick<Clock, 'monotonic'>, log: Pick<Logger, 'error'>) {
    this.#clock = clock
    this.#log = log
  }

  /** Takes note of a server; false when another took its place. One of another cluster (a new one in the same place) begins anew. */
  meet(facts: Known): boolean {
    if (facts.system === '' || facts.timeline === '') return true
    if (this.isFormer(facts)) {
      if (this.#clock.monotonic() - this.#heardAt < rememberedForMs) return false
      const { timeline: was } = this.#newest
      this.#log.error(
        { timeline: facts.timeline, was },
        'the database went back to an older timeline: what was written on the newer one is not there',
      )
    }
    this.#newest = { system: facts.system, timeline: facts.timeline }
    this.heard(facts)
    return true
  }

  /** The server answered. */
  heard({ system, timeline }: Known): void {
    if (system === this.#newest.system && timeline === this.#newest.timeline) this.#heardAt = this.#clock.monotonic()
  }

  /** Whether another one has taken the place of the server. */
  isFormer({ system, timeline }: Known): boolean {
    // Eight digits of hexadecimal each: as texts they compare as the numbers do.
    return timeline !== '' && system !== '' && system === this.#newest.system && timeline < this.#newest.timeline
  }
}
