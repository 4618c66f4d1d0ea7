/**
 * A page of metrics that is there while the database is not.
 *
 * The problem: many series are read from the database when they are asked for; while it is away such a read waits for it, and with it the whole page, among
 * it the series that says so. The way: what is asked for and not answered at once keeps its last value as soon as the database is away, or after two seconds
 * (one that hangs is found to be away only later), and is not asked again until it is back.
 */
import { Registry, type Metric } from 'prom-client'
import type { Timers } from './ports.ts'

/** Whoever reads the page gives up after ten seconds, as a rule. */
const patienceMs = 2_000

/** Says that something is out of reach for now. */
interface Away {
  readonly isAway: boolean
  onAway(callback: () => void): Disposable
}

interface Collecting {
  collect?: (() => void | Promise<void>) | undefined
}

/** As prom-client's, until {@link follow} is called. */
export class SteadyRegistry extends Registry {
  #followed: { readonly away: Away; readonly timers: Pick<Timers, 'after'> } | undefined
  /** Series that once had to be waited for. */
  readonly #slow = new WeakSet<object>()
  /** What is being waited for, by all who read the page meanwhile. */
  readonly #asked = new WeakMap<object, Promise<void>>()

  /** Whose absence counts. */
  follow(away: Away, timers: Pick<Timers, 'after'>): void {
    this.#followed = { away, timers }
  }

  override registerMetric<Name extends string>(metric: Metric<Name>): void {
    // prom-client asks whatever stands there; its types tell of it for none of its kinds.
    const collecting = metric as Collecting
    const { collect } = collecting
    if (collect !== undefined) collecting.collect = () => this.#collect(collecting, () => collect.call(metric))
    super.registerMetric(metric)
  }

  #collect(metric: object, collect: () => void | Promise<void>): void | Promise<void> {
    if (this.#followed === undefined) return collect()
    const { away, timers } = this.#followed
    if (away.isAway && this.#slow.has(metric)) return
    const asked = this.#asked.get(metric)
    if (asked !== undefined) return asked
    const answer = collect()
    if (!(answer instanceof Promise)) return
    this.#slow.add(metric)
    const bounded = untilAway(answer, away, timers).finally(() => this.#asked.delete(metric))
    this.#asked.set(metric, bounded)
    return bounded
  }
}

async function untilAway(answer: Promise<void>, away: Away, timers: Pick<Timers, 'after'>): Promise<void> {
  const { promise: gone, resolve } = Promise.withResolvers<void>()
  using _watch = away.onAway(resolve)
  using _timer = timers.after(patienceMs, resolve)
  if (away.isAway) resolve()
  await Promise.race([
    gone,
    answer.catch((error: unknown) => {
      if (!away.isAway) throw error
    }),
  ])
}
