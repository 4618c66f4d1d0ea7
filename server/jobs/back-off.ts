/** How long a job that failed waits before it is tried again. */

/** Tries without progress before a job counts as failed. */
export const defaultAttemptsMax = 5

const firstMs = 5_000
const longestMs = 60 * 60_000

/** Doubles from five seconds to an hour, of which up to a half is chance (0 to 1): what failed together does not come back together. */
export function backOffMs(attempts: number, chance: number): number {
  const longest = Math.min(longestMs, firstMs * 2 ** Math.max(0, Math.min(attempts - 1, 20)))
  return Math.round(longest * (0.5 + chance / 2))
}
