/** A bound on how much goes on at once: others wait in line, and when the line is long they are sent away. */

/** Gives turns. */
export interface Turns {
  /** Resolves when it is the caller's turn; disposing ends that. Undefined: too many wait already. Rejects with the signal's reason. */
  take(signal: AbortSignal): Promise<Disposable | undefined>
  /** How many have a turn, and how many wait for one. */
  readonly active: number
  readonly waiting: number
}

/** At most `size` turns at once, and `waitingMax` who wait. */
export function createTurns(size: number, waitingMax: number): Turns {
  const line = new Set<() => void>()
  let active = 0
  const turn = (): Disposable => {
    let isOver = false
    active++
    return {
      [Symbol.dispose]: () => {
        if (isOver) return
        isOver = true
        active--
        const [next] = line
        if (next === undefined) return
        line.delete(next)
        next()
      },
    }
  }
  return {
    get active() {
      return active
    },
    get waiting() {
      return line.size
    },
    async take(signal) {
      signal.throwIfAborted()
      if (active < size) return turn()
      if (line.size >= waitingMax) return undefined
      const { promise, resolve, reject } = Promise.withResolvers<Disposable>()
      const start = () => resolve(turn())
      const onAbort = () => {
        line.delete(start)
        reject(signal.reason as Error)
      }
      line.add(start)
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        return await promise
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    },
  }
}
