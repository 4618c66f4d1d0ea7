/**
 * A page of metrics that is there while the database is not.
 *
 * The problem: many series are read from the database when they are asked for; while it is away such a read waits for it, and with it the whole page, among
 * it the series that says so. The way: what is asked for and not answered at once keeps its last value as soon as the database is away, and is not asked again
 * until it is back.
 */
import { Registry, type Metric } from 'prom-client'

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
  #away: Away | undefined
  /** Series that once had to be waited for. */
  readonly #slow = new WeakSet<object>()

  /** Whose absence counts. */
  follow(away: Away): void {
    this.#away = away
  }

  override registerMetric<Name extends string>(metric: Metric<Name>): void {
    // prom-client asks whatever stands there; its types tell of it for none of its kinds.
    const collecting = metric as Collecting
    const { collect } = collecting
    if (collect !== undefined) collecting.collect = () => this.#collect(collecting, () => collect.call(metric))
    super.registerMetric(metric)
  }

  #collect(metric: object, collect: () => void | Promise<void>): void | Promise<void> {
    if (this.#away?.isAway === true && this.#slow.has(metric)) return
    const answer = collect()
    if (!(answer instanceof Promise)) return
    this.#slow.add(metric)
    return this.#away === undefined ? answer : untilAway(answer, this.#away)
  }
}

async function untilAway(answer: Promise<void>, away: Away): Promise<void> {
  const { promise: gone, resolve } = Promise.withResolvers<void>()
  using _watch = away.onAway(resolve)
  if (away.isAway) resolve()
  await Promise.race([
    gone,
    answer.catch((error: unknown) => {
      if (!away.isAway) throw error
    }),
  ])
}
