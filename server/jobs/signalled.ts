/** A wait that ends early when somebody rings. */
import type { Timers } from '#lib/ports.ts'

/** A bell and who waits for it. A ring while nobody waits ends the next wait at once. */
export interface Signalled {
  readonly ring: () => void
  /** Resolves after that long, at a ring, or when the signal aborts. Never rejects. */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

/** Makes a bell. */
export function createSignalled(timers: Pick<Timers, 'after'>): Signalled {
  let isRung = false
  let wakeUp: (() => void) | undefined
  const ring = () => {
    isRung = true
    wakeUp?.()
  }
  return {
    ring,
    async wait(ms, signal) {
      if (!isRung && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>()
        wakeUp = resolve
        using _timer = timers.after(ms, resolve)
        signal.addEventListener('abort', ring, { once: true })
        await promise
        signal.removeEventListener('abort', ring)
        wakeUp = undefined
      }
      isRung = false
    },
  }
}
