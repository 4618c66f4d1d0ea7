/**
 * Reads what is in a read-through cache again, slowly: a disk that turns a bit makes no noise, and a hit compares no more than the size.
 *
 * Not at each hit, which would hash what the kernel could send by itself: clients compare digests themselves and come again.
 */
import { mapLimited } from '#lib/map-limited.ts'
import type { Clock, Timers } from '#lib/ports.ts'
import type { CacheFiles } from './read-through-files.ts'

/** What the check needs of its surroundings. */
export interface CheckParts {
  readonly ports: { readonly clock: Clock; readonly timers: Timers }
  readonly signal: AbortSignal
  readonly onChecked: (sizeBytes: number, isWhole: boolean) => void
}

/** Hardly felt by a disk, and 200 GiB in seven hours. */
const bytesPerSecond = 8 * 1024 ** 2
/** Between two looks at what is due, and before the first: a start has better things to do. */
const betweenMs = 5 * 60_000
const dueMs = 24 * 60 * 60_000

/** Each file once a day, and what an earlier process left; what is wrong is dropped. Ends when the signal aborts. */
export async function checkFiles(files: CacheFiles, { ports: { clock, timers }, signal, onChecked }: CheckParts): Promise<void> {
  const pace = (bytes: number) => timers.sleep((bytes / bytesPerSecond) * 1_000, signal)
  try {
    for (;;) {
      await timers.sleep(betweenMs, signal)
      await mapLimited(files.provedBefore(clock.now() - dueMs), 1, async (digest) => {
        signal.throwIfAborted()
        const found = await files.prove(digest, pace)
        if (found !== undefined) onChecked(found.sizeBytes, found.isWhole)
      })
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
