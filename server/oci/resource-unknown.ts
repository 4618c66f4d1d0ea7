import { RegistryError } from './errors.ts'

/**
 * What is not there, or what the caller may not see: both in the same words. `name` is the name or id that the caller gave, and nothing that they did not
 * say is in the answer.
 */
export function resourceUnknown(kind: string, name: string | number): RegistryError {
  const given = String(name)
  return new RegistryError('RESOURCE_UNKNOWN', { kind, name: given }, { message: `there is no ${kind} ${given}, or you may not see it` })
}
