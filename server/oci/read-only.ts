/** The refusal of read-only mode, which passes: with what tells programs apart from what is switched off for good, which has the same code. */
import { RegistryError } from './errors.ts'

/** Why nothing is written; `more`: what is to be known besides. */
export function readOnlyRefusal(more?: string): RegistryError {
  const message = more === undefined ? 'the registry is read-only' : `the registry is read-only: ${more}`
  return new RegistryError('UNSUPPORTED', { isReadOnly: true }, { message })
}

/** Whether the `facts` of a refusal say so. */
export function saysReadOnly(facts: unknown): boolean {
  return typeof facts === 'object' && facts !== null && 'isReadOnly' in facts && facts.isReadOnly === true
}
