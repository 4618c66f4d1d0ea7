/** Measures what a store does, under the names that registry:2's metric `registry_storage_action_seconds` has for it. */
import type { Clock } from '#lib/ports.ts'
import type { BlobStore } from './blob-store.ts'
import { passTo } from './pass-to.ts'

/** Takes one measurement: the store's name, the action (`GetContent`, `Stat`, `Move`, `Writer`, `Delete`, `List`), its duration. */
export type StorageObserver = (store: string, action: string, seconds: number) => void

/** The same store under the name that it has in rows; each action is told to `observe` when it ends, well or not. */
export function measureStore(
  store: BlobStore,
  name: string,
  { clock, observe }: { readonly clock: Clock; readonly observe: StorageObserver },
): BlobStore {
  const measured = async <T>(action: string, act: () => Promise<T>): Promise<T> => {
    const startedAt = clock.monotonic()
    try {
      return await act()
    } finally {
      observe(name, action, (clock.monotonic() - startedAt) / 1000)
    }
  }
  return {
    ...passTo(store),
    name,
    openUpload: (uploadId, offsetBytes) => measured('Writer', () => store.openUpload(uploadId, offsetBytes)),
    statUpload: (uploadId) => measured('Stat', () => store.statUpload(uploadId)),
    commitUpload: (uploadId, key) => measured('Move', () => store.commitUpload(uploadId, key)),
    abortUpload: (uploadId) => measured('Delete', () => store.abortUpload(uploadId)),
    open: (key, options) => measured('GetContent', () => store.open(key, options)),
    stat: (key) => measured('Stat', () => store.stat(key)),
    delete: (keys) => measured('Delete', () => store.delete(keys)),
    list: (listing) => measured('List', () => store.list(listing)),
  }
}
