/** The document `system` of `settings`: what administrators decide while the registry runs. Whoever needs a part of it reads it here. */
import type { Reader, Transactor } from './metadata.ts'
import type { NewLimits } from './quotas.ts'
import { findSetting, putSetting } from './settings.ts'

/** Addresses and CIDR ranges, as lib/address-rules.ts takes them. */
export interface NetworkLists {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

/** How much one sender may ask for: on average, and at once. */
export interface RateLimit {
  readonly requestsPerSecond: number
  readonly burst: number
}

/** All of it. */
export interface SystemSettings {
  /** Shown to whoever asks, before they sign in. */
  readonly banner: { readonly text: string; readonly level: 'info' | 'warning' | 'danger' } | null
  /** Nothing is pushed, deleted or changed until it is switched off. */
  readonly isReadOnly: boolean
  readonly projectCreation: 'everyone' | 'administrators'
  readonly autoCreateProjects: boolean
  readonly networks: NetworkLists
  /** Of projects that are made from now on; null: they have none. */
  readonly defaultQuota: NewLimits | null
  readonly rateLimits: { readonly perAddress: RateLimit | null; readonly perCredential: RateLimit | null }
}

/** A document and how often it was changed; 0: never. */
export interface VersionedSettings {
  readonly settings: SystemSettings
  readonly version: number
}

const name = 'system'

/** What holds until somebody decides. */
export const defaultSystemSettings: SystemSettings = {
  banner: null,
  isReadOnly: false,
  projectCreation: 'administrators',
  autoCreateProjects: false,
  networks: { allow: [], deny: [] },
  defaultQuota: null,
  rateLimits: { perAddress: null, perCredential: null },
}

/** As it is now. What an older version did not know has its default. */
export async function readSystemSettings(reader: Reader | Transactor): Promise<VersionedSettings> {
  const found = (await findSetting(reader, name)) as (Partial<SystemSettings> & { readonly version?: number }) | undefined
  const { version = 0, ...given } = found ?? {}
  return { settings: { ...defaultSystemSettings, ...given }, version }
}

/** Writes the document; the caller has compared the version. */
export async function writeSystemSettings(tx: Transactor, { settings, version }: VersionedSettings): Promise<void> {
  await putSetting(tx, name, { ...settings, version })
}
