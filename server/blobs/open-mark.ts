/** Which mark the store of a configuration has. */
import type { Config, NamedStoreConfig, StorageConfig } from '#config/config.ts'
import { describeStorage, isObjectStore } from '#config/storage-place.ts'
import type { Ports } from '#lib/ports.ts'
import { markName } from './names.ts'
import { createObjectMark } from './object-mark.ts'
import { openObjectBackend } from './open-backend.ts'
import { createStoreMark, type StoreMark } from './store-mark.ts'

type MarkedPlace = Pick<StorageConfig | NamedStoreConfig, 'driver' | 'name' | 'rootDirectory' | 's3' | 'azure' | 'gcs'>

/** The mark of a store: of the primary one, or of the one that is given. Undefined where blobs are in memory; a database in memory cannot know a store again. */
export function markOf(
  { storage, database }: Pick<Config, 'storage' | 'database'>,
  ports: Ports,
  place: MarkedPlace = storage,
): StoreMark | undefined {
  if (database.driver === 'sqlite' && database.file === ':memory:') return undefined
  if (place.rootDirectory !== undefined) return createStoreMark(place.rootDirectory, ports)
  if (!isObjectStore(place)) return undefined
  const open = () => {
    const opened = openObjectBackend({ storage: place }, ports)
    if (opened === undefined) throw new Error(`no service of the store ${place.name}`)
    return opened.backend
  }
  return createObjectMark({ open, path: `${markName} in the ${describeStorage(place) ?? place.name}`, ports })
}
