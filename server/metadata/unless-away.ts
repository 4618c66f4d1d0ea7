/** Answers without a database that is away. */
import type { AwaySignal } from './metadata.ts'

/**
 * What `read` gives; but what is `known`, if anything is, as soon as the database is away: a read would wait until it is back. `read` is not begun when it is
 * away already and something is known.
 */
export async function unlessAway<Value>(
  away: AwaySignal | undefined,
  read: () => Promise<Value>,
  known: () => Value | undefined,
): Promise<Value> {
  if (away === undefined) return await read()
  const now = away.isAway ? known() : undefined
  if (now !== undefined) return now
  const { promise, resolve } = Promise.withResolvers<Value>()
  using _watch = away.onAway(() => {
    const value = known()
    if (value !== undefined) resolve(value)
  })
  return await Promise.race([read(), promise])
}
