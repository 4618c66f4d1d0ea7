/** A password that is typed to sign in, or to show again who sits there. */
import type { Principal } from '#access/principal.ts'
import { errorTable, RegistryError } from '#oci/errors.ts'
import type { Exchange } from '#http/exchange.ts'
import { noteRefusedCredential } from '#http/note-refusal.ts'
import { requesterOf } from '#http/requester.ts'

/** Whose password it is. Throws as Access does, and UNAUTHORIZED for credentials that are not a person's password. */
export async function personOfPassword(
  exchange: Exchange,
  { name, password }: { readonly name: string; readonly password: string },
): Promise<number> {
  const authorization = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
  const requester = { ...requesterOf(exchange), authorization, certificate: undefined, isSignIn: true }
  try {
    const { kind, id, credential }: Principal = await exchange.site.parts.access.authenticate(requester)
    if (kind === 'user' && id !== undefined && credential.kind === 'password') return id
    throw new RegistryError('UNAUTHORIZED', undefined, {
      message: 'only accounts of people sign in here, by their password: tokens are for programs',
    })
  } catch (error) {
    // What cannot be judged now is no wrong password.
    if (error instanceof RegistryError && error.code !== 'UNAVAILABLE')
      noteRefusedCredential(exchange, { action: 'login.failed', name }, error)
    return explained(error)
  }
}

/** The same words whether there is such an account or not. */
function explained(error: unknown): never {
  if (!(error instanceof RegistryError) || error.code !== 'UNAUTHORIZED' || error.message !== errorTable.UNAUTHORIZED.message) throw error
  throw new RegistryError('UNAUTHORIZED', undefined, { cause: error, message: 'name or password is wrong' })
}
