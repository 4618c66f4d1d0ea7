/**
 * Output on its way. A pipe takes 64 KiB at once: the process must not end, nor go on to the next page, before the reader has taken the rest. And `console`
 * keeps failures of writing to itself: they are remembered here, so that a list that a full disk cut off does not end as if all were well.
 */
import type { Writable } from 'node:stream'

const failures = new WeakMap<Writable, Error>()
const watched = new WeakSet<Writable>()

/** Remembers from now on what goes wrong with writing to the stream. */
export function watchOutput(stream: Writable): void {
  if (watched.has(stream)) return
  watched.add(stream)
  stream.on('error', (error: Error) => {
    if (!failures.has(stream)) failures.set(stream, error)
  })
}

/** Waits until all that was written is out: true. False when the reader has gone, as `head` does when it has enough. Throws when it cannot be written. */
export async function flushed(stream: Writable): Promise<boolean> {
  watchOutput(stream)
  const { promise, resolve } = Promise.withResolvers<Error | null | undefined>()
  stream.write('', resolve)
  const last = await promise
  const error = failures.get(stream) ?? last
  if (error === null || error === undefined) return true
  if (isReaderGone(error)) return false
  throw new Error('the output cannot be written', { cause: error })
}

/** Whether writing failed because nobody reads any more. */
export function isReaderGone(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'EPIPE'
}
