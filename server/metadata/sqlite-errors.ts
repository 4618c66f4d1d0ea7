/** SQLite's result codes (sqlite.org/rescode.html) in the words of the error table. */
import { RegistryError } from '#oci/errors.ts'

const result = { busy: 5, locked: 6, outOfMemory: 7, ioError: 10, full: 13, cannotOpen: 14 } as const

/** The -shm file could not grow: in practice a full disk. */
const ioErrorSharedMemorySize = 10 | (19 << 8)

const retryAfterSeconds = 2

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode : undefined
}

/**
 * What a caller outside the database can act on: STORAGE_FULL for a full disk, UNAVAILABLE for what may pass (another process holds the
 * lock, the disk fails). Everything else, a violated constraint too, comes back as it is: it is a fault of ours.
 */
export function translateSqliteError(error: unknown): Error {
  const code = resultCode(error)
  if (code === undefined) return error as Error
  if (code === ioErrorSharedMemorySize) return new RegistryError('STORAGE_FULL', undefined, { cause: error })
  switch (code & 0xff) {
    case result.full:
      return new RegistryError('STORAGE_FULL', undefined, { cause: error })
    case result.busy:
    case result.locked:
    case result.outOfMemory:
    case result.ioError:
    case result.cannotOpen:
      return new RegistryError('UNAVAILABLE', undefined, { cause: error, retryAfterSeconds })
    default:
      return error as Error
  }
}

/** Whether another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  return ((resultCode(error) ?? 0) & 0xff) === result.busy
}

/** The database is closed, or its writer cannot be started. */
export function unavailable(cause?: unknown): RegistryError {
  return new RegistryError('UNAVAILABLE', undefined, { cause, retryAfterSeconds })
}
