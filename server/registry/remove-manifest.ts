/** Takes a manifest out inside a transaction, whoever asked: tags into history, what it held under review, then the row. */
import { deleteManifestRow } from '#metadata/manifests.ts'
import { releaseManifest } from '#metadata/garbage.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { removeTagsOf } from '#metadata/tags.ts'
import type { Digest } from '#oci/digest.ts'

/** Which manifest goes, and on whose account. `now` and `safeUntil` are milliseconds. */
export interface ManifestRemoval {
  readonly repositoryId: number
  readonly manifestId: number
  readonly digest: Digest
  readonly actor: string
  readonly now: number
  /** What it held is safe until then. */
  readonly safeUntil: number
}

/** The number of statements does not depend on the number of tags, layers or children. */
export async function removeManifest(tx: Transactor, removal: ManifestRemoval): Promise<void> {
  await removeTagsOf(tx, removal)
  await releaseManifest(tx, removal)
  await deleteManifestRow(tx, removal.manifestId)
}
