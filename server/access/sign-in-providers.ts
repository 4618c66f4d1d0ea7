/** The ways to sign in that people are offered. */
import { enabledProviders, providerNames } from '#metadata/provider-facts.ts'
import type { Directory } from './directory.ts'

/** A provider, for whoever is not signed in: nothing of its settings. */
export interface OfferedProvider {
  readonly name: string
  readonly title: string
  readonly kind: 'ldap' | 'oidc'
}

/** Those that are switched on, in their order. */
export async function signInProviders({ metadata }: Directory): Promise<readonly OfferedProvider[]> {
  const providers = await enabledProviders(metadata.reader)
  return providers.flatMap(({ name, title, kind }) => (kind === 'ldap' || kind === 'oidc' ? [{ name, title, kind }] : []))
}

/** Names by id, of those that are switched off too. */
export async function namesOfProviders({ metadata }: Directory): Promise<ReadonlyMap<number, string>> {
  return await providerNames(metadata.reader)
}
