/**
 * The stores of an installation by name. New blobs go to the primary one; where the bytes of a blob are says its row (store, key), so any number of stores
 * can be read at once, and a blob moves from one to another by a change of its row (registry/move-blobs.ts).
 */
import { RegistryError } from '#oci/errors.ts'
import type { BlobStore } from './blob-store.ts'

/** All stores that the configuration names. */
export interface Stores {
  /** Where pushes go. */
  readonly primary: BlobStore
  /** By the name that stands in rows; the primary one among them. */
  readonly all: ReadonlyMap<string, BlobStore>
}

/** An installation with one store. */
export function onlyStore(store: BlobStore): Stores {
  return { primary: store, all: new Map([[store.name, store]]) }
}

/** The store of a row. Throws UNAVAILABLE for one that this process does not know: its blobs are not lost, they cannot be reached from here. */
export function storeOf({ all }: Stores, name: string): BlobStore {
  const found = all.get(name)
  if (found !== undefined) return found
  const cause = new Error(`rows name the store ${name}, which is not in the configuration of this process (storage.stores)`)
  throw new RegistryError('UNAVAILABLE', undefined, { cause })
}
