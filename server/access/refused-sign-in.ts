/** What records say of a sign-in at an OpenID Connect provider that was refused: the provider, why, and whom it spoke of. Nothing that came through the browser. */
import { findIdentity } from '#metadata/identities.ts'
import type { ProviderFacts } from '#metadata/provider-facts.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Directory } from './directory.ts'
import type { ExternalIdentity } from './password-provider.ts'
import { RefusedCredential, refusedFactsOf, type RefusalCause, type RefusedFacts } from './refused-credential.ts'

/** The refusal to throw, with a sentence for the person. */
export function refusedSignIn(why: RefusalCause, code: 'REQUEST_INVALID' | 'UNAUTHORIZED' | 'DENIED', message: string): RegistryError {
  return new RegistryError(code, undefined, { message, cause: new RefusedCredential({ why }) })
}

/** How far the sign-in came. */
interface Known {
  readonly provider: ProviderFacts
  /** What it was for. */
  readonly step?: string | undefined
  /** Whom a verified token is of. */
  readonly identity?: ExternalIdentity | undefined
}

/** The account that the identity is linked with is whose it is, never one that is merely called so. */
export async function signInFacts(
  { metadata }: Pick<Directory, 'metadata'>,
  { provider, step, identity }: Known,
): Promise<Omit<RefusedFacts, 'why'>> {
  const more = { provider: provider.name, ...(step !== undefined && { step }) }
  if (identity === undefined) return { owner: `provider:${provider.name}`, shown: 'oidc', more }
  const { issuer, subject, name } = identity
  const account = (await findIdentity(metadata.reader, { providerId: provider.id, issuer, subject }))?.account
  return {
    owner: account === undefined ? `provider:${provider.name}` : `user:${account.name}`,
    shown: `oidc:${subject.replaceAll(/\p{C}/gu, '?')}`,
    more: { ...more, subject, ...(name !== '' && { name }) },
  }
}

/** Throws the refusal with what is known as its cause; what is none, or cannot be judged now, as it is. */
export async function withFacts(error: unknown, known: () => Promise<Omit<RefusedFacts, 'why'>>): Promise<never> {
  if (!(error instanceof RegistryError) || error.status >= 500) throw error
  const why = refusedFactsOf(error)?.why ?? 'no-account'
  const { code, detail, message, status } = error
  throw new RegistryError(code, detail, { message, status, cause: new RefusedCredential({ ...(await known()), why }) })
}
