/** Token buckets by key, in memory and bounded: who has been quiet longest is forgotten first, and begins with a full bucket again. */

/** How fast a bucket fills, and how much it holds. */
export interface BucketLimit {
  readonly requestsPerSecond: number
  readonly burst: number
}

/** What is left after a request. */
export interface BucketState {
  readonly isAllowed: boolean
  /** Whole requests that may follow at once. */
  readonly remaining: number
  /** Until the next request is allowed; 0 when it is now. */
  readonly waitSeconds: number
  /** Until the bucket is full. */
  readonly resetSeconds: number
}

interface Bucket {
  tokens: number
  at: number
}

/** Buckets of one kind. A change of the limit counts from the next request on. */
export class TokenBuckets {
  readonly #maximumKeys: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(maximumKeys: number) {
    this.#maximumKeys = maximumKeys
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes a token if there is one. `nowMs` never steps back. */
  take(key: string, limit: BucketLimit, nowMs: number): BucketState {
    const bucket = this.#filled(key, limit, nowMs)
    const isAllowed = bucket.tokens >= 1
    if (isAllowed) bucket.tokens -= 1
    return stateOf(bucket, limit, isAllowed)
  }

  /** Takes more for a request that turned out to be worse than others; down to an empty bucket, never into debt. */
  charge(key: string, limit: BucketLimit, { nowMs, tokens }: { readonly nowMs: number; readonly tokens: number }): void {
    const bucket = this.#filled(key, limit, nowMs)
    bucket.tokens = Math.max(0, bucket.tokens - tokens)
  }

  #filled(key: string, { requestsPerSecond, burst }: BucketLimit, nowMs: number): Bucket {
    const known = this.#buckets.get(key)
    if (known !== undefined) {
      // Put last again: the first of the map is the one that was quiet longest.
      this.#buckets.delete(key)
      this.#buckets.set(key, known)
      known.tokens = Math.min(burst, known.tokens + (Math.max(0, nowMs - known.at) / 1000) * requestsPerSecond)
      known.at = nowMs
      return known
    }
    if (this.#buckets.size >= this.#maximumKeys) this.#forgetOldest()
    const bucket = { tokens: burst, at: nowMs }
    this.#buckets.set(key, bucket)
    return bucket
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key)
      return
    }
  }
}

function stateOf({ tokens }: Bucket, { requestsPerSecond, burst }: BucketLimit, isAllowed: boolean): BucketState {
  return {
    isAllowed,
    remaining: Math.floor(tokens),
    waitSeconds: tokens >= 1 ? 0 : (1 - tokens) / requestsPerSecond,
    resetSeconds: (burst - tokens) / requestsPerSecond,
  }
}
