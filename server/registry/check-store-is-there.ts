/**
 * An admission check: the disk of the blobs is there. A manifest is kept in the database, but an image whose layers are away is none: its push is refused as
 * that of a layer is.
 */
import type { StoreMark } from '#blobs/store-mark.ts'
import type { AdmissionCheck } from './registry.ts'

/** Costs one `stat` a push. */
export function checkStoreIsThere(mark: Pick<StoreMark, 'require'>): AdmissionCheck {
  return { name: 'store', operations: ['push'], check: () => mark.require() }
}
