/** Lifetimes as people write them on images: `1h`, `2d`, `3w`. One number and one unit, as Quay reads `quay.expires-after`. */

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 }

/** A hundred years: what lives longer lives for ever. */
const longestMs = 36_525 * 86_400_000

/** Milliseconds, at least a second and at most a hundred years; undefined for all else. */
export function parseLifetime(text: string): number | undefined {
  const match = /^(\d{1,10})([smhdw])$/.exec(text)
  const ms = Number(match?.[1]) * (unitMs[match?.[2] ?? ''] ?? Number.NaN)
  return ms > 0 && ms <= longestMs ? ms : undefined
}
