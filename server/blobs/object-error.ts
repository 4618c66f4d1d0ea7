/** What a service's refusal is to the registry. */
import { RegistryError } from '#oci/errors.ts'
import { ObjectError } from './object-backend.ts'

const retryAfterSeconds = 5

/** `STORAGE_FULL` or `UNAVAILABLE` with the service's error as cause; any other error as it is. */
export function registryErrorOf(error: unknown): unknown {
  if (!(error instanceof ObjectError)) return error
  if (error.fault === 'full') return new RegistryError('STORAGE_FULL', undefined, { cause: error })
  return new RegistryError('UNAVAILABLE', undefined, { cause: error, retryAfterSeconds })
}

/** Whether the service said that there is no such thing. */
export function isAbsent(error: unknown): boolean {
  return error instanceof ObjectError && error.fault === 'absent'
}

/** Whether the condition of a request did not hold. */
export function isConflict(error: unknown): boolean {
  return error instanceof ObjectError && error.fault === 'conflict'
}

/**
 * Whether a service's refusal or silence is behind the error. What was durable in it before is so still: bytes count there once the state of their upload names
 * them, and not before.
 */
export function isOfObjectStore(error: unknown): boolean {
  if (error instanceof RegistryError && error.code === 'BLOB_UPLOAD_UNKNOWN') return false
  return error instanceof ObjectError || (error instanceof Error && isOfObjectStore(error.cause))
}

/** Runs, and translates what it throws. */
export async function translated<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw registryErrorOf(error)
  }
}
