/** Clock and timers of a simulated process. */
import type { Clock, Timers } from '#lib/ports.ts'
import type { EventOwner, PendingEvent, Scheduler } from './scheduler.ts'

export function clockPort(scheduler: Scheduler): Clock {
  return { now: () => scheduler.now, monotonic: () => scheduler.monotonic }
}

export function timersPort(scheduler: Scheduler, owner: EventOwner): Timers {
  const after = (delayMs: number, callback: () => void): Disposable => {
    const event = scheduler.add({
      label: `timer ${delayMs}`,
      owner,
      dueAt: scheduler.monotonic + Math.max(1, Math.ceil(delayMs)),
      run: callback,
    })
    return { [Symbol.dispose]: () => scheduler.remove(event) }
  }
  return {
    after,
    every(intervalMs, callback) {
      let current: PendingEvent | undefined
      let isOver = false
      // As setInterval: turns that were missed are not made up for.
      const arm = () => {
        current = scheduler.add({
          label: `interval ${intervalMs}`,
          owner,
          dueAt: scheduler.monotonic + intervalMs,
          run: () => {
            callback()
            if (!isOver) arm()
          },
        })
      }
      arm()
      return {
        [Symbol.dispose]() {
          isOver = true
          if (current !== undefined) scheduler.remove(current)
        },
      }
    },
    sleep(delayMs, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      if (signal?.aborted) return Promise.reject(signal.reason as Error)
      const timer = after(delayMs, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      function onAbort() {
        timer[Symbol.dispose]()
        reject(signal?.reason as Error)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      return promise
    },
  }
}
