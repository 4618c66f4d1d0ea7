/** What a manifest references, and which of it must be in the repository for the manifest to be accepted. */
import type { Descriptor } from '#oci/descriptor.ts'
import type { Digest } from '#oci/digest.ts'
import type { Manifest } from '#oci/manifest.ts'
import { isNonDistributable } from '#oci/media-types.ts'
import type { RegistryOptions } from './registry.ts'

/** A digest that the manifest names. */
export interface ManifestReferenceTo {
  readonly digest: Digest
  /** `child`: an entry of an index, a manifest or (BuildKit's caches) a blob. */
  readonly kind: 'blob' | 'child'
  readonly isRequired: boolean
}

type Rules = Pick<RegistryOptions, 'indexPlatforms' | 'referrersMayPrecedeBlobs'>

/** Each digest once; it is required if one of the places that name it requires it. The subject is none of them: it need not exist. */
export function manifestReferences(manifest: Manifest, rules: Rules): ManifestReferenceTo[] {
  const found = new Map<Digest, ManifestReferenceTo>()
  const add = (digest: Digest, kind: ManifestReferenceTo['kind'], isRequired: boolean) => {
    found.set(digest, { digest, kind, isRequired: isRequired || found.get(digest)?.isRequired === true })
  }
  const blobsMayFollow = rules.referrersMayPrecedeBlobs && manifest.subject !== undefined
  if (manifest.config !== undefined) add(manifest.config.digest, 'blob', !blobsMayFollow)
  for (const layer of manifest.layers) add(layer.digest, 'blob', !blobsMayFollow && !isElsewhere(layer))
  for (const child of manifest.children) add(child.digest, 'child', isPlatformRequired(child, rules.indexPlatforms))
  return [...found.values()]
}

/** A layer that clients may fetch from somewhere else is accepted unseen (image-spec layer.md, "Non-Distributable Layers"). */
function isElsewhere(layer: Descriptor): boolean {
  return isNonDistributable(layer.mediaType) || (layer.urls?.length ?? 0) > 0
}

/** registry:3's `validation.manifests.indexes`: with a list, entries of other platforms, or of none, may be absent. */
function isPlatformRequired(child: Descriptor, platforms: Rules['indexPlatforms']): boolean {
  if (platforms === 'all') return true
  if (platforms === 'none') return false
  return platforms.some(({ os, architecture }) => child.platform?.os === os && child.platform.architecture === architecture)
}
