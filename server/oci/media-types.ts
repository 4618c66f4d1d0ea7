/** Media types that the registry itself knows (image-spec media-types.md, Docker "Image Manifest V 2, Schema 2"). Every other one is stored unread. */

/** An image manifest (image-spec manifest.md). */
export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
/** An image index (image-spec image-index.md). */
export const ociIndex = 'application/vnd.oci.image.index.v1+json'
/** Docker's manifest of one image, version 2, schema 2. */
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
/** Docker's list of manifests by platform, the model of the image index. */
export const dockerManifestList = 'application/vnd.docker.distribution.manifest.list.v2+json'

/** The type of the two bytes `{}`, a place holder where a descriptor is required and there is nothing to describe. */
export const ociEmpty = 'application/vnd.oci.empty.v1+json'

/** What the media type of a blob is to who does not know its manifest. */
export const octetStream = 'application/octet-stream'

/** RFC 6838 §4.2: type and subtype have 127 characters each. */
export const mediaTypeMaxLength = 255

const nonDistributable: ReadonlySet<string> = new Set([
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  'application/vnd.docker.image.rootfs.foreign.diff.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
])

const schema1: ReadonlySet<string> = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
])

// RFC 6838 §4.2: restricted-name "/" restricted-name. It goes out as Content-Type, so nothing else may pass.
const wellFormed = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/

/** An image index or its Docker ancestor, the manifest list. */
export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === ociIndex || mediaType === dockerManifestList
}

/** An image manifest or an index, of OCI or of Docker: what a child of an index must be to be a manifest and not a blob. */
export function isManifestMediaType(mediaType: string): boolean {
  return mediaType === ociManifest || mediaType === dockerManifest || isIndexMediaType(mediaType)
}

/** A layer that may be absent from the registry, because its licence has clients fetch it from its `urls`. */
export function isNonDistributable(mediaType: string): boolean {
  return nonDistributable.has(mediaType)
}

/** Docker's signed manifests of 2014, which name their layers by nothing but history and are refused. */
export function isSchema1MediaType(mediaType: string): boolean {
  return schema1.has(mediaType)
}

/** Whether the text is `type/subtype` by RFC 6838, without parameters, and so safe to send as Content-Type. */
export function isWellFormedMediaType(mediaType: string): boolean {
  return wellFormed.test(mediaType)
}
