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

/** Runs, and translates what it throws. */
export async function translated<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw registryErrorOf(error)
  }
}
