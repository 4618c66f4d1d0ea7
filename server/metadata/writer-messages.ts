/** What the writer thread and its keeper say to each other. */
import type { Transferable } from 'node:worker_threads'
import type { WriteAnswer, WriteRequest } from './sqlite-group.ts'

/**
 * To the thread. A `group` is answered by its `readonly WriteAnswer[]`, a `close` by the end of the thread, a `preload` by nothing.
 * `aheadMs`: how far the clock of who asks is before the machine's; a test may have turned it.
 */
export type WriterMessage =
  | { readonly kind: 'group'; readonly requests: readonly WriteRequest[]; readonly aheadMs: number }
  | { readonly kind: 'preload'; readonly moduleUrls: readonly string[] }
  | { readonly kind: 'close' }

/** The memory that changes threads instead of being copied. */
export function buffersOf(values: readonly (WriteRequest | WriteAnswer)[]): Transferable[] {
  return values.flatMap((value) => {
    const bytes = 'input' in value ? value.input : 'output' in value ? value.output : undefined
    return bytes === undefined ? [] : [bytes.buffer as ArrayBuffer]
  })
}
