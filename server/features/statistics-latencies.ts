/** How long answers took, as counts in buckets that each process, hour and day can add up. */

/** The first bucket ends here; each later one at √2 of the one before, so that what is told from them is off by a fifth at most. */
const firstMs = 0.5
/** The last one of them ends at a minute and a half; what took longer is in it as well. */
const buckets = 36

/** No answer in any bucket. */
export function noLatencies(): number[] {
  return Array.from({ length: buckets }, () => 0)
}

/** The bucket of an answer that took so long. */
export function bucketOf(durationMs: number): number {
  if (durationMs <= firstMs) return 0
  return Math.min(buckets - 1, Math.ceil(2 * Math.log2(durationMs / firstMs)))
}

/** Within how many milliseconds this share (0 to 1) of the answers was; undefined where there are none. */
export function quantile(counts: readonly number[], share: number): number | undefined {
  const all = counts.reduce((sum, count) => sum + count, 0)
  if (all === 0) return undefined
  const wanted = share * all
  let passed = 0
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && passed + count >= wanted) {
      const [begin, end] = [bucket === 0 ? 0 : endOf(bucket - 1), endOf(bucket)]
      return begin + ((end - begin) * (wanted - passed)) / count
    }
    passed += count
  }
  return endOf(buckets - 1)
}

function endOf(bucket: number): number {
  return firstMs * 2 ** (bucket / 2)
}
