import { setTimeout as sleep } from 'node:timers/promises'

/** Asks again every 25 ms until the answer is true; throws with `what` when `timeoutMs` is over. */
export async function until(what: string, ask: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    if (await ask()) return
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`)
    await sleep(25)
  }
}
