/** A manifest that was not pushed: an import of registry:2 or a recovery from the journal found it, parsed it, proved its digest, and adds it with what it needs. */
import type { NewManifest } from '#metadata/manifests.ts'
import type { Descriptor } from '#oci/descriptor.ts'
import type { Digest } from '#oci/digest.ts'
import type { Manifest } from '#oci/manifest.ts'
import { isManifestMediaType, isNonDistributable } from '#oci/media-types.ts'

/** Where it was found, and what it is. `modifiedAt`: when it was pushed, as far as can be told, in milliseconds. */
export interface FoundManifest extends Omit<NewManifest, 'repositoryId' | 'now'> {
  readonly modifiedAt: number
  /** `isOptional`: of a type that clients fetch from elsewhere. `isPresent`: as far as the source shows. */
  readonly blobs: readonly { readonly digest: Digest; readonly isOptional: boolean; readonly isPresent: boolean }[]
  readonly children: readonly Digest[]
}

/** Entries of an index that are no manifests are blobs (BuildKit's caches). */
function isBlob({ mediaType }: Descriptor): boolean {
  return !isManifestMediaType(mediaType)
}

/** The descriptors of what must be a blob of the repository. */
export function blobDescriptors({ config, layers, children }: Manifest, isBlobChild = isBlob): Descriptor[] {
  return [...(config === undefined ? [] : [config]), ...layers, ...children.filter(isBlobChild)]
}

/** A layer that clients may fetch from somewhere else. */
function isElsewhere({ mediaType, urls }: Descriptor): boolean {
  return isNonDistributable(mediaType) || (urls?.length ?? 0) > 0
}

/** What the source says of blobs. */
export interface FoundBlobs {
  readonly isPresent: (digest: Digest) => boolean
  /** Whether the entry of an index is a blob; by its type unless the source knows better. */
  readonly isBlobChild?: (child: Descriptor) => boolean
}

/** A manifest with what it needs. */
export function foundManifest(
  facts: Pick<FoundManifest, 'digest' | 'payload' | 'modifiedAt'>,
  manifest: Manifest,
  { isPresent, isBlobChild = isBlob }: FoundBlobs,
): FoundManifest {
  const { mediaType, artifactType, subject, annotations, children } = manifest
  return {
    ...facts,
    mediaType,
    artifactType,
    subject: subject?.digest,
    annotations: subject === undefined ? undefined : JSON.stringify(annotations),
    blobs: blobDescriptors(manifest, isBlobChild).map((descriptor) => ({
      digest: descriptor.digest,
      isOptional: isElsewhere(descriptor),
      isPresent: isPresent(descriptor.digest),
    })),
    children: children.filter((child) => !isBlobChild(child)).map((child) => child.digest),
  }
}
