/**
 * The places of registry:2's data directory (`registry/storage/paths.go` of Distribution), as paths relative to the root directory.
 * Pure text: adoption reads these places, export writes them.
 */
import type { BlobKey } from '#blobs/blob-store.ts'
import { digestAlgorithm, digestHex, type Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'

/** What every path of the layout starts with. */
export const layoutRoot = 'docker/registry/v2'

/** Holds a directory for each repository, one level for each component of its name. */
export const repositoriesRoot = `${layoutRoot}/repositories`

/** Where registry:2 keeps the bytes of a digest, manifests and layers alike; as a key it stands in the rows of adopted blobs. */
export function layoutBlobKey(digest: Digest): BlobKey {
  const hex = digestHex(digest)
  return `${layoutRoot}/blobs/${digestAlgorithm(digest)}/${hex.slice(0, 2)}/${hex}/data` as BlobKey
}

/** Directory of a repository: `_layers`, `_manifests` and `_uploads` are below it, and so are repositories whose names go on. */
export function repositoryPath(name: string): string {
  return `${repositoriesRoot}/${name}`
}

function digestPath(digest: Digest): string {
  return `${digestAlgorithm(digest)}/${digestHex(digest)}`
}

/** Says that the repository has the blob; its text is the digest that the bytes are stored under. */
export function layerLinkPath(name: RepositoryName, digest: Digest): string {
  return `${repositoryPath(name)}/_layers/${digestPath(digest)}/link`
}

/** Says that the repository has the manifest. */
export function revisionLinkPath(name: RepositoryName, digest: Digest): string {
  return `${repositoryPath(name)}/_manifests/revisions/${digestPath(digest)}/link`
}

/** Says what the tag points at. */
export function tagLinkPath(name: RepositoryName, tag: Tag): string {
  return `${repositoryPath(name)}/_manifests/tags/${tag}/current/link`
}

/** The directory with one entry for each digest that the tag ever pointed at. */
export function tagIndexPath(name: RepositoryName, tag: Tag): string {
  return `${repositoryPath(name)}/_manifests/tags/${tag}/index`
}

/** Link file of one value that the tag has or had: `_manifests/tags/<tag>/index/<algorithm>/<hex>/link`. */
export function tagIndexLinkPath(name: RepositoryName, tag: Tag, digest: Digest): string {
  return `${tagIndexPath(name, tag)}/${digestPath(digest)}/link`
}
