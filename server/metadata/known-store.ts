/** The rows of `settings` by which the database knows its stores in directories; see features/store-mark.ts. */
import type { Reader } from './metadata.ts'
import { findSetting } from './settings.ts'

/** A store in a directory. */
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
