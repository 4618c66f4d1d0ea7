/** Translates what the operating system says, once, at the driver. */
import { RegistryError, type ErrorCode } from '#oci/errors.ts'

/** Ends by itself, or when an operator mends the machine; the same request may then succeed. */
const passing = new Set([
  'EIO',
  'EAGAIN',
  'EBUSY',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EROFS',
  'ESTALE',
  'ETIMEDOUT',
  'EINTR',
  'EACCES',
  'EPERM',
  'ENODEV',
  'ENXIO',
])
const full = new Set(['ENOSPC', 'EDQUOT'])

/** The system's name of an error (`ENOENT`), undefined for any other error. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** The medium gave no bytes, or not those that were written: trying again may help, waiting will not. */
const unreadable = new Set(['EIO', 'ENODATA', 'EBADMSG', 'EUCLEAN'])

/** Whether the error, or what it came from, says that these bytes cannot be read, rather than that the machine is short of something. */
export function isUnreadable(error: unknown): boolean {
  if (unreadable.has(systemCode(error) ?? '')) return true
  return error instanceof Error && error.cause !== undefined && isUnreadable(error.cause)
}

/** Whether the error says that there is no such file. */
export function isAbsence(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** A system error as `STORAGE_FULL`, `UNAVAILABLE` or `UNKNOWN` with the error as cause (its message has a path, the new one has none); any other as it is. */
export function storageError(error: unknown): unknown {
  const code = systemCode(error)
  return code === undefined ? error : new RegistryError(registryCode(code), undefined, { cause: error })
}

function registryCode(code: string): ErrorCode {
  if (full.has(code)) return 'STORAGE_FULL'
  return passing.has(code) ? 'UNAVAILABLE' : 'UNKNOWN'
}
