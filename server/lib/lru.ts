/** A cache bounded by the bytes of its values: what was used longest ago goes first. */
import assert from 'node:assert'

/** An entry costs about 200 bytes of its own, which `sizeOf` does not see; many empty values must not fill the memory. */
const entriesMax = 65_536

/** Bounds of a cache: bytes of its values, and how many there may be. */
export interface ByteLruOptions<V> {
  /** Bound of the values together; 0 switches the cache off. */
  readonly maximumBytes: number
  /** Bytes that a value occupies; the same each time it is asked for one value. */
  readonly sizeOf: (value: V) => number
  /** Bound of their number; 65,536 by default. */
  readonly maximumEntries?: number
}

/** Keeps values by key as long as they fit. A value larger than the whole bound is not kept, and leaves the others alone. */
export class ByteLru<V> {
  // A Map iterates in the order of insertion, so the first entry is the one used longest ago: a use inserts anew.
  readonly #entries = new Map<string, { readonly value: V; readonly bytes: number }>()
  readonly #options: ByteLruOptions<V>
  readonly #maximumEntries: number
  #sizeBytes = 0

  constructor(options: ByteLruOptions<V>) {
    this.#options = options
    this.#maximumEntries = options.maximumEntries ?? entriesMax
  }

  /** Bytes of all values kept. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get count(): number {
    return this.#entries.size
  }

  /** The value, which counts as a use of it. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  /** Replaces the value of the key, if there is one, even when the one given is too large to be kept. */
  set(key: string, value: V): void {
    const bytes = this.#options.sizeOf(value)
    assert(Number.isSafeInteger(bytes) && bytes >= 0, 'the size of a cached value is a whole number of bytes')
    this.delete(key)
    if (bytes > this.#options.maximumBytes || this.#maximumEntries === 0) return
    this.#entries.set(key, { value, bytes })
    this.#sizeBytes += bytes
    this.#evict()
  }

  /** True if there was one. */
  delete(key: string): boolean {
    const entry = this.#entries.get(key)
    if (entry === undefined) return false
    this.#sizeBytes -= entry.bytes
    return this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
    this.#sizeBytes = 0
  }

  #evict(): void {
    for (const key of this.#entries.keys()) {
      if (this.#sizeBytes <= this.#options.maximumBytes && this.#entries.size <= this.#maximumEntries) return
      this.delete(key)
    }
  }
}
