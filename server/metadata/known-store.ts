/** The rows of `settings` by which the database knows its stores; see features/store-mark.ts. */
import type { Reader, Transactor } from './metadata.ts'
import { findSetting, putSetting } from './settings.ts'

/** A store that has, or gets, a mark. */
export interface KnownStore {
  readonly id: string
  /** Whether its mark was ever written to its end. */
  readonly isMade: boolean
}

/** The setting of the store of that name, as it stands in rows of blobs. */
export function knownStoreSetting(store: string): string {
  return store === 'filesystem' ? 'store' : `store:${store}`
}

/** Undefined before its first use. */
export async function knownStore(reader: Reader, store: string): Promise<KnownStore | undefined> {
  return (await findSetting(reader, knownStoreSetting(store))) as KnownStore | undefined
}

/** The settings of all of them. */
export async function knownStoreSettings(reader: Reader): Promise<readonly string[]> {
  const rows = await reader
    .selectFrom('settings')
    .select('name')
    .where((eb) => eb.or([eb('name', '=', 'store'), eb('name', 'like', 'store:%')]))
    .orderBy('name')
    .execute()
  return rows.map(({ name }) => name)
}

/** Another id for a store, which the next start writes into its mark: what knows the former one is not served there any more. */
export async function takeStoreOver(tx: Transactor, setting: string, id: string): Promise<void> {
  await putSetting(tx, setting, { id, isMade: false } satisfies KnownStore)
}

/** Whether a registry was ever served on this database: what a start writes first is a setting. */
export async function hasRows(reader: Reader): Promise<boolean> {
  for (const table of ['settings', 'users', 'repositories', 'blobs', 'events'] as const) {
    const row = await reader.selectFrom(table).select('id').limit(1).executeTakeFirst()
    if (row !== undefined) return true
  }
  return false
}
