/** What the audit hears of calls that were refused. A challenge to who showed no credential is none of them. */
import { refusalReason } from '#access/name-collision.ts'
import type { Exchange } from '#http/exchange.ts'
import { noteWrongCredential } from '#http/note-refusal.ts'
import { whoOf } from '#http/requester.ts'
import type { RegistryError } from '#oci/errors.ts'

const refusals: ReadonlySet<RegistryError['code']> = new Set(['DENIED', 'UNAUTHORIZED', 'ELEVATION_REQUIRED'])

/** `route` is the contract's: method and path with the names of its parameters. */
export function noteRefusedCall(exchange: Exchange, error: RegistryError, route: string): void {
  if (!refusals.has(error.code) && refusalReason(error) !== 'NAME_TAKEN') return
  const { principal } = exchange.notes
  if (principal === undefined) {
    noteWrongCredential(exchange, error)
    return
  }
  if (principal.credential.kind === 'none') return
  const circumstances = { ...whoOf(exchange, principal), outcome: 'failure', reason: error.code } as const
  exchange.site.parts.audit.note({ action: 'access.refused', target: `api:${route}` }, circumstances)
}
