/** What the audit hears of tokens that were refused, and the words in which docker is told. */
import { parseBasicCredential } from '#access/basic-credential.ts'
import { errorTable, RegistryError } from '#oci/errors.ts'
import type { Exchange } from '#http/exchange.ts'
import { noteRefusedCredential } from '#http/note-refusal.ts'

/** Notes a wrong credential; gives what is to be thrown. `name`: as the caller gave it, if not in the header. */
export function noteRefused(exchange: Exchange, error: unknown, name?: string): unknown {
  if (!(error instanceof RegistryError) || error.status >= 500) return error
  const { authorization } = exchange.request.headers
  const given = name ?? (authorization === undefined ? undefined : parseBasicCredential(authorization)?.name) ?? ''
  noteRefusedCredential(exchange, { action: 'bearer.refused', name: given }, error)
  // A sentence of its own tells more than ours.
  if (error.code !== 'UNAUTHORIZED' || error.message !== errorTable.UNAUTHORIZED.message) return error
  return new RegistryError('UNAUTHORIZED', undefined, {
    message: 'bad credentials: incorrect user name or password, or a token that has ended',
    cause: error,
  })
}
