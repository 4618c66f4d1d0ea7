/** How long a lease lasts, and how it is judged to be over. */

/** A job whose worker was not heard of for so long is taken by another one. Milliseconds, as all here. */
export const leaseMs = 30_000
/** How often a worker says that it lives. */
export const beatMs = 5_000
/** How often a worker looks at what runs: for what was stopped, what was lost, and what others left. */
export const tickMs = 1_000
/** Added to a lease before it counts as over, for writes that are slow to be seen. */
export const marginMs = 5_000

/** How long somebody was seen to give no sign of life. */
export interface Silence<Key> {
  /** Takes note of what is there, and gives the keys whose state was the same for `silentMs`. */
  observe(states: Iterable<readonly [Key, string]>): readonly Key[]
}

/**
 * Watches states for change by one's own monotonic clock, so that no step of a wall clock, here or elsewhere, ends a lease. Time in which this process
 * did not look (it was paused) does not count: those who were paused with it get their chance to be heard first.
 */
export function createSilence<Key>(
  clock: { monotonic(): number },
  { silentMs, intervalMs }: { readonly silentMs: number; readonly intervalMs: number },
): Silence<Key> {
  let seen = new Map<Key, { readonly state: string; readonly silentFor: number }>()
  let lookedAt: number | undefined
  return {
    observe(states) {
      const now = clock.monotonic()
      const passed = Math.min(now - (lookedAt ?? now), 2 * intervalMs)
      lookedAt = now
      const next: typeof seen = new Map()
      const silent: Key[] = []
      for (const [key, state] of states) {
        const before = seen.get(key)
        const silentFor = before?.state === state ? before.silentFor + passed : 0
        next.set(key, { state, silentFor })
        if (silentFor >= silentMs) silent.push(key)
      }
      seen = next
      return silent
    },
  }
}
