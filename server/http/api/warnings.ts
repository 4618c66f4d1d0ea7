/** The warnings of answers (api/warnings.ts). */
import type { HttpParts } from '#http/exchange.ts'

/** The member, absent where there is nothing to say. */
export function warningsMember(...sentences: readonly (string | undefined)[]): { warnings?: string[] } {
  const said = sentences.filter((sentence) => sentence !== undefined)
  return said.length === 0 ? {} : { warnings: said }
}

/** A sentence where deletes are switched off: what stays for that. */
export function staysWithoutDeletes({ registry }: Pick<HttpParts, 'registry'>, what: string): string | undefined {
  const { deleteEnabled, readOnly } = registry.options
  return deleteEnabled && !readOnly ? undefined : `deletes are switched off in this registry: ${what} for as long as they are`
}
