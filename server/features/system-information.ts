/** What the registry is made of and how much is in it, for operators; and what its sign-in page shows. */
import type { Registry } from '#registry/registry.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { allMigrations } from '#metadata/migrations/all.ts'
import { enabledProviders, findProviderFacts } from '#metadata/provider-facts.ts'
import { countSystem, type SystemCounts } from '#metadata/system-counts.ts'

/** What is behind the rooms. */
export interface SystemInformation {
  readonly schemaVersion: string
  readonly databaseKind: string
  readonly storeName: string
  readonly space: { readonly freeBytes: number; readonly totalBytes: number } | undefined
  readonly counts: SystemCounts
}

/** As it is now. */
export async function readSystemInformation({ metadata, store }: Pick<Registry, 'metadata' | 'store'>): Promise<SystemInformation> {
  return {
    schemaVersion: Object.keys(allMigrations).toSorted().at(-1) ?? '',
    databaseKind: metadata.dialect,
    storeName: store.name,
    space: await store.space(),
    counts: await countSystem(metadata.reader),
  }
}

/** A provider that a browser is sent to. */
export interface SignInProvider {
  readonly name: string
  readonly title: string
  readonly kind: string
}

/** How people may sign in, as far as providers are concerned. */
export interface SignInChoices {
  readonly hasPasswords: boolean
  readonly providers: readonly SignInProvider[]
}

/** Names and titles only. */
export async function readSignInChoices({ metadata }: { readonly metadata: Metadata }): Promise<SignInChoices> {
  const providers = await enabledProviders(metadata.reader)
  const local = await findProviderFacts(metadata.reader, { name: 'local' })
  return {
    // Local accounts work until somebody switches them off, which takes a row.
    hasPasswords: local?.isEnabled !== false || providers.some(({ kind }) => kind === 'ldap' || kind === 'htpasswd'),
    providers: providers.filter(({ kind }) => kind === 'oidc').map(({ name, title, kind }) => ({ name, title, kind })),
  }
}
