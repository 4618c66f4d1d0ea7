/** A second store for tests, and what is where. */
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { createMemoryStore } from '#blobs/memory.ts'
import { systemPorts } from '#lib/ports.ts'
import type { BlobPlace } from '#metadata/blobs.ts'
import { digestToBytes, type Digest } from '#oci/digest.ts'
import type { Registry } from './registry.ts'
import { withMethods } from './test-registry.ts'

/** A store of that name in memory, with some methods replaced. */
export function storeNamed(name: string, change: (store: BlobStore) => Partial<BlobStore> = () => ({})): BlobStore {
  return withMethods((store) => ({ name, ...change(store) }))(createMemoryStore({ clock: systemPorts.clock }))
}

/** What the row of a blob says of its place. */
interface PlaceRow extends BlobPlace {
  readonly state: string
  readonly placedAt: number | null
}

/** The row of a digest. */
export async function placeOf({ metadata }: Pick<Registry, 'metadata'>, digest: Digest): Promise<PlaceRow> {
  return await metadata.reader
    .selectFrom('blobs')
    .select(['id as blobId', 'size_bytes as sizeBytes', 'store', 'key', 'state', 'placed_at as placedAt'])
    .where('digest', '=', digestToBytes(digest))
    .executeTakeFirstOrThrow()
}

/** Whether the store of that name has bytes under the key. */
export async function hasBytes(
  { stores }: Pick<Registry, 'stores'>,
  { store, key }: { readonly store: string; readonly key: string },
): Promise<boolean> {
  return (await stores.all.get(store)?.stat(key as BlobKey)) !== undefined
}
