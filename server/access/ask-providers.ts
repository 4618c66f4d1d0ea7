/** Asking the providers that check passwords (directories) about a name, one after the other. */
import type { LinkedIdentity } from '#metadata/account-facts.ts'
import { RegistryError } from '#oci/errors.ts'
import type { BasicCredential } from './basic-credential.ts'
import type { SignInHooks } from './hooks.ts'
import type { ExternalIdentity, PasswordProvider } from './password-provider.ts'
import type { Requester } from './requester.ts'

/** What is asked. With `links` only the providers that the account is linked with, and only for the subject that it is. */
export interface Question {
  readonly credential: BasicCredential
  readonly requester: Requester
  readonly links: readonly LinkedIdentity[] | undefined
}

/** The account that the first provider opens, made if need be; undefined when none does. Throws UNAVAILABLE when one that might could not be asked. */
export async function askProviders({ passwordProviders, onboard }: SignInHooks, question: Question): Promise<number | undefined> {
  if (passwordProviders === undefined || onboard === undefined) return undefined
  let unavailable: RegistryError | undefined
  for (const provider of await passwordProviders()) {
    if (!mayOpen(provider, question)) continue
    const identity = await identityBy(provider, question)
    if (identity instanceof RegistryError) unavailable = identity
    else if (identity !== undefined) return (await onboard(provider.id, identity, question.requester)).userId
  }
  if (unavailable !== undefined) throw unavailable
  return undefined
}

function mayOpen(provider: PasswordProvider, { links }: Question): boolean {
  return links === undefined || links.some(({ providerId }) => providerId === provider.id)
}

/** The error is given back when the provider is away: another one may know. */
async function identityBy(
  provider: PasswordProvider,
  { credential, links }: Question,
): Promise<ExternalIdentity | RegistryError | undefined> {
  try {
    const identity = await provider.verify(credential.name, credential.password)
    if (identity === undefined || links === undefined) return identity
    const { issuer, subject } = identity
    return links.some((link) => link.providerId === provider.id && link.issuer === issuer && link.subject === subject)
      ? identity
      : undefined
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'UNAVAILABLE') return error
    throw error
  }
}
