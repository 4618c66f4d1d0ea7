/** Work that one process of all does for as long as it leads: a subscription whose place is a row, say. */
import type { JobParts } from './jobs.ts'
import { lead } from './leadership.ts'

const lookMs = 1_000

/**
 * Begins `start` whenever this process leads under `name`, and disposes what it gave when it does not any more. A start that fails is tried again.
 * Disposing ends it and gives the place to the next.
 */
async function whileLeading(parts: JobParts, name: string, start: () => Promise<AsyncDisposable>): Promise<AsyncDisposable> {
  const leadership = lead(parts, { name })
  let running: AsyncDisposable | undefined
  let isBusy = false
  let current = Promise.resolve()
  const turn = async () => {
    const leads = leadership.fence() !== undefined
    if (leads === (running !== undefined)) return
    const ended = running
    running = undefined
    await ended?.[Symbol.asyncDispose]()
    if (leads) running = await start()
  }
  const look = () => {
    if (isBusy) return
    isBusy = true
    current = turn()
      .catch((error: unknown) =>
        parts.log.warn({ err: error, lease: name }, 'what one process does for all could not begin; it is tried again'),
      )
      .finally(() => (isBusy = false))
  }
  await leadership.begun
  look()
  await current
  const timer = parts.ports.timers.every(lookMs, look)
  return {
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await current
      await running?.[Symbol.asyncDispose]()
      await leadership[Symbol.asyncDispose]()
    },
  }
}

/** Runs what one process does for all: here and now, or for as long as this process leads in it. */
export type InTurn = (name: string, start: () => Promise<AsyncDisposable>) => Promise<AsyncDisposable>

/** For the only process on its database. */
export const alone: InTurn = (_name, start) => start()

/** For one of several. */
export function inTurns(parts: JobParts): InTurn {
  return (name, start) => whileLeading(parts, name, start)
}
