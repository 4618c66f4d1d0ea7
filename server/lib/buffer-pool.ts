/**
 * Buffers that are used again. The problem: a fresh 512 KiB buffer for each read of a download costs page faults and garbage collections; a
 * buffer used again too early sends the wrong bytes. The way: a lease that its owner releases once, when nobody reads the buffer any more;
 * a lease that nobody can vouch for is abandoned, and its buffer goes the way of all garbage.
 */
export interface BufferPoolOptions {
  readonly bufferBytes: number
  /** Idle buffers kept; what is released beyond is dropped. */
  readonly maximumIdle: number
  /** Leases at one time that {@link BufferPool.tryLease} stays within. */
  readonly maximumLeased: number
}

/** A buffer of one owner. Calling either function twice is harmless. */
export interface BufferLease {
  readonly buffer: Buffer
  /** Nobody reads or writes the buffer any more. */
  release(): void
  /** The owner leaves without knowing when the buffer will be free: it does not count as leased any more, and comes back if `release` is still called. */
  abandon(): void
}

/** Hands out buffers of one size and takes them back. */
export class BufferPool {
  readonly #options: BufferPoolOptions
  readonly #idle: Buffer[] = []
  #leased = 0

  constructor(options: BufferPoolOptions) {
    this.#options = options
  }

  /** Buffers handed out, neither released nor abandoned. */
  get leased(): number {
    return this.#leased
  }

  /** Buffers kept for the next lease. */
  get idle(): number {
    return this.#idle.length
  }

  /** A buffer whose content is arbitrary. Never refuses. */
  lease(): BufferLease {
    const buffer = this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.#options.bufferBytes)
    let counted = true
    let released = false
    const abandon = () => {
      if (counted) this.#leased--
      counted = false
    }
    this.#leased++
    return {
      buffer,
      abandon,
      release: () => {
        abandon()
        if (!released && this.#idle.length < this.#options.maximumIdle) this.#idle.push(buffer)
        released = true
      },
    }
  }

  /** As {@link lease}, but undefined when as many are out as the pool is meant for. */
  tryLease(): BufferLease | undefined {
    return this.#leased < this.#options.maximumLeased ? this.lease() : undefined
  }
}
