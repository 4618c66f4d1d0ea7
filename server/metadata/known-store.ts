/** The row of `settings` by which the database knows the store of its blobs; see features/store-mark.ts. */
import type { Reader } from './metadata.ts'
import { findSetting } from './settings.ts'

/** A store in a directory. */
export interface KnownStore {
  readonly id: string
  /** Whether its mark was ever written to its end. */
  readonly isMade: boolean
}

export const knownStoreSetting = 'store'

/** Undefined before its first use. */
export async function knownStore(reader: Reader): Promise<KnownStore | undefined> {
  return (await findSetting(reader, knownStoreSetting)) as KnownStore | undefined
}
