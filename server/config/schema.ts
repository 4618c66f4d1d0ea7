/**
 * Every key of the configuration, said once: type, default, meaning, status.
 *
 * The problem: an operator brings a config.yml of registry:2 or registry:3, or `REGISTRY_*` variables; each key must act as there, or say by name
 * that it does not, and never may Berth start more open than the file says. The way: one table of keys, from which validation (validate.ts),
 * the variables (environment.ts), `berth config check` and docs/reference/configuration.md (document.ts) come; build-config.ts turns the values
 * into {@link Config}, the only thing that other rooms see. To add a key: a row in keys-*.ts, a member of Config, a line in build-config.ts,
 * `npm run docs`.
 */
import type { Key, KeyStatus, Section } from './key.ts'
import { accessSections, allAccessKeys } from './keys-access.ts'
import { allAuditKeys, auditSections } from './keys-audit.ts'
import { allBackupKeys, backupSections } from './keys-backup.ts'
import { allContentsKeys, contentsSections } from './keys-contents.ts'
import { allCloudStoreKeys, cloudStoreSections } from './keys-cloud-stores.ts'
import { allDatabaseKeys, databaseSections } from './keys-database.ts'
import { allGeneralKeys, generalSections } from './keys-general.ts'
import { allHttpKeys, httpSections } from './keys-http.ts'
import { allOutgoingKeys, outgoingSections } from './keys-outgoing.ts'
import { allObjectStoreKeys, objectStoreSections } from './keys-object-stores.ts'
import { allScrubKeys, scrubSections } from './keys-scrub.ts'
import { allStorageKeys, storageSections } from './keys-storage.ts'
import { allStoresKeys, storesSections } from './keys-stores.ts'

/** The keys by dotted path, with the type of each. */
export const typedKeys = {
  ...allStorageKeys,
  ...allStoresKeys,
  ...allObjectStoreKeys,
  ...allCloudStoreKeys,
  ...allDatabaseKeys,
  ...allHttpKeys,
  ...allAccessKeys,
  ...allGeneralKeys,
  ...allAuditKeys,
  ...allOutgoingKeys,
  ...allScrubKeys,
  ...allBackupKeys,
  ...allContentsKeys,
}

/** Dotted path of a key with a type, such as `http.tls.key`. */
export type KeyPath = keyof typeof typedKeys

/** What a key's value is once it is read: its default where it has one, else possibly undefined. */
export type ValueAt<Path extends KeyPath> = (typeof typedKeys)[Path] extends Key<infer T> ? T : never

/** The same keys for code that goes over all of them. */
export const keys: ReadonlyMap<string, Key<unknown>> = new Map<string, Key<unknown>>(Object.entries(typedKeys))

/** The maps that hold the keys, by dotted path; the empty path is the document. */
export const sections: ReadonlyMap<string, Section> = new Map<string, Section>([
  ['', { doc: 'The configuration.' }],
  ...Object.entries({
    ...storageSections,
    ...storesSections,
    ...objectStoreSections,
    ...cloudStoreSections,
    ...databaseSections,
    ...httpSections,
    ...accessSections,
    ...generalSections,
    ...auditSections,
    ...outgoingSections,
    ...scrubSections,
    ...backupSections,
    ...contentsSections,
  }),
])

/** What may stand below `storage` beside the driver. */
export const storageCompanions: ReadonlySet<string> = new Set([
  'maintenance',
  'cache',
  'delete',
  'redirect',
  'tag',
  'trash',
  'minfreespace',
  'garbagedelay',
  'readersdelay',
  'cdn',
  'buffer',
  'name',
  'stores',
  'readthrough',
  'tiers',
])

/** Drivers whose bytes are outside of this machine, so that the place of the database does not follow from them. */
export const objectStores: ReadonlySet<string> = new Set(['s3', 'azure', 'gcs', 'swift', 'oss'])

/** Sections of which exactly one child is chosen, and which may be written as that child's bare name. */
export const choices: ReadonlySet<string> = new Set(['storage', 'auth'])

/** `http.tls.key` → `http.tls`; a key of the top level → ``. */
export function parentPath(path: string): string {
  return path.includes('.') ? path.slice(0, path.lastIndexOf('.')) : ''
}

/** The inverse of {@link parentPath}: `http.tls` and `key` → `http.tls.key`; below the empty path, the name alone. */
export function childPath(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

/** Names that may stand directly in a section. */
export function childNames(section: string): readonly string[] {
  const all = [...keys.keys(), ...sections.keys()]
  return all
    .filter((path) => path !== '' && parentPath(path) === section)
    .map((path) => (section === '' ? path : path.slice(section.length + 1)))
}

/** The status that a key has by itself or by the section it is in. */
export function statusOf(path: string): KeyStatus {
  for (let section = parentPath(path); section !== ''; section = parentPath(section)) {
    const status = sections.get(section)?.status
    if (status !== undefined) return status
  }
  return keys.get(path)?.status ?? 'acts'
}

/** Whether an unknown key at this place is a mistake. */
export function isOwn(section: string): boolean {
  for (let path = section; path !== ''; path = parentPath(path)) if (sections.get(path)?.own === true) return true
  return false
}
