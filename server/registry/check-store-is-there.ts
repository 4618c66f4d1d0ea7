/**
 * An admission check: the disk of the blobs is there. A manifest is kept in the database, but an image whose layers are away is none: its push is refused as
 * that of a layer is.
 */
import type { StoreMark } from '#blobs/store-mark.ts'
import type { AdmissionCheck, Registry } from './registry.ts'

/** Costs one `stat` a push. */
export function checkStoreIsThere(mark: Pick<StoreMark, 'require'>): AdmissionCheck {
  return { name: 'store', operations: ['push'], check: () => mark.require() }
}

/** Before a blob is acknowledged of which no byte is written, for the store has it: pushed again, or mounted. What is written the store asks about itself. */
export async function requireStoreIsThere({ hooks }: Pick<Registry, 'hooks'>): Promise<void> {
  await hooks.requireStore?.()
}
