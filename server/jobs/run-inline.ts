/** Runs a kind of work here and now, without a row: for commands that work on the data, beside a running server too. */
import { resourceUnknown } from '#oci/resource-unknown.ts'
import type { Jobs, JobProgress } from './jobs.ts'

/** Who listens to it. */
export interface InlineOptions {
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: JobProgress) => void) | undefined
  readonly onLine?: ((level: 'info' | 'warn' | 'error', message: string) => void) | undefined
}

/** The result of the kind's `run`. Its cursor is kept for the length of the call alone. Throws RESOURCE_UNKNOWN for no kind, and what the kind throws. */
export async function runInline(
  { kinds }: Jobs,
  work: { readonly kind: string; readonly payload?: unknown },
  { signal, onProgress, onLine }: InlineOptions,
): Promise<unknown> {
  const kind = kinds.get(work.kind)
  if (kind === undefined) throw resourceUnknown('kind of job', work.kind)
  let cursor: unknown
  return await kind.run(
    {
      job: { id: 0, fence: 0 },
      signal,
      get cursor() {
        return cursor
      },
      async save(next, progress) {
        cursor = next
        if (progress !== undefined) onProgress?.(progress)
      },
      report: (progress) => onProgress?.(progress),
      log: (level, message) => onLine?.(level, message),
    },
    work.payload ?? null,
  )
}
