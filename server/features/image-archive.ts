/**
 * An image as one archive: a tar of an OCI image layout, or what `docker load` takes.
 *
 * What goes in is decided before the first byte: every blob is looked for, so that an archive that cannot be whole is refused and not cut, and its length is
 * known. Blobs are proved by their digests while they pass; one that turns out damaged breaks the archive off.
 */
import { tarBlockBytes, tarPaddingOf } from '#lib/tar-header.ts'
import { tarHeader } from '#lib/tar-writer.ts'
import { findBlob } from '#metadata/blobs.ts'
import type { Descriptor } from '#oci/descriptor.ts'
import { digestAlgorithm, digestHex, parseDigest, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { isManifestMediaType, isNonDistributable, ociIndex } from '#oci/media-types.ts'
import { parseTag } from '#oci/reference.ts'
import { pullBlob } from '#registry/pull-blob.ts'
import { readBlobContent } from '#registry/read-blob-content.ts'
import type { Registry } from '#registry/registry.ts'
import { chooseImage, readManifest, type ChosenImage, type ImageWanted, type ReadManifest } from './image-choose.ts'

/** `docker`: a config, layers and a manifest.json, of one image. `oci`: an image layout, of all platforms unless one is said. */
export type ArchiveFormat = 'oci' | 'docker'

/** What is wanted, and how the image is called in the archive: `registry.example:5000/team/app`. */
export interface ArchiveWanted extends ImageWanted {
  readonly format: ArchiveFormat
  readonly name: string
  readonly signal: AbortSignal
}

/** An archive that can be sent. */
export interface ImageArchive {
  readonly lengthBytes: number
  /** The manifest that was asked for. */
  readonly asked: ChosenImage
  /** To be read once. */
  read(): AsyncGenerator<Uint8Array, void, void>
}

/** A file of the archive: bytes that are here, or a blob. */
type ArchiveFile = { readonly name: string } & ({ readonly bytes: Uint8Array } | { readonly digest: Digest; readonly sizeBytes: number })

const manifestsMax = 1_000
const blobsMax = 20_000
const depthMax = 4
const dockerConfigs: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
])

/** Throws RESOURCE_UNKNOWN, REQUEST_INVALID, and CONTENT_UNREADABLE for an image of which something is not here. */
export async function archiveImage(registry: Registry, wanted: ArchiveWanted): Promise<ImageArchive> {
  const isWhole = wanted.format === 'oci' && wanted.platform === undefined
  const asked = isWhole ? await askedAlone(registry, wanted) : await chooseImage(registry, wanted)
  const files = wanted.format === 'oci' ? await layoutFiles(registry, wanted, asked) : await dockerFiles(registry, wanted, asked)
  const lengthBytes = files.reduce((total, file) => total + fileBytes(file), 2 * tarBlockBytes)
  return { lengthBytes, asked, read: () => write(registry, wanted, files) }
}

/** The reference itself, an index or not. */
async function askedAlone(registry: Registry, wanted: ArchiveWanted): Promise<ChosenImage> {
  const digest = parseDigest(wanted.reference)
  const tag = digest === undefined ? parseTag(wanted.reference) : undefined
  const asked = await readManifest(registry, wanted, { digest, tag })
  return { asked, image: asked, tag, platform: undefined }
}

/** Image-spec image-layout.md. The small documents stand first, so that a reader knows early what comes. */
async function layoutFiles(registry: Registry, wanted: ArchiveWanted, { image, tag }: ChosenImage): Promise<readonly ArchiveFile[]> {
  const tree = await gather(registry, wanted, image)
  const annotations =
    tag === undefined
      ? {}
      : { annotations: { 'org.opencontainers.image.ref.name': tag, 'io.containerd.image.name': `${wanted.name}:${tag}` } }
  const { mediaType, digest, bytes } = image
  const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [{ mediaType, digest, size: bytes.length, ...annotations }] }
  return [
    { name: 'oci-layout', bytes: Buffer.from('{"imageLayoutVersion":"1.0.0"}') },
    { name: 'index.json', bytes: Buffer.from(JSON.stringify(index)) },
    ...tree.manifests.map((manifest) => ({ name: blobName(manifest.digest), bytes: manifest.bytes })),
    ...tree.blobs.map((blob) => ({ name: blobName(blob.digest), digest: blob.digest, sizeBytes: blob.size })),
  ]
}

function blobName(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`
}

/** As Docker's own, but for layers that stay compressed: `docker load`, Podman and skopeo unpack them. */
async function dockerFiles(registry: Registry, wanted: ArchiveWanted, { image, tag }: ChosenImage): Promise<readonly ArchiveFile[]> {
  const { config, layers } = image.manifest
  if (config === undefined || !dockerConfigs.has(config.mediaType))
    throw new RegistryError(
      'REQUEST_INVALID',
      { format: 'docker' },
      { message: `${wanted.reference} is no image that Docker could load: ask for format oci` },
    )
  const blobs = await present(registry, wanted, once([config, ...layers]))
  const away = layers.find(({ digest }) => !blobs.some((blob) => blob.digest === digest))
  if (away !== undefined) throw missing(away, 'it is not kept here: its licence has clients fetch it from elsewhere')
  const layerName = ({ digest }: { readonly digest: Digest }) => `${digestHex(digest)}.tar`
  const configName = `${digestHex(config.digest)}.json`
  const manifest = [{ Config: configName, RepoTags: tag === undefined ? [] : [`${wanted.name}:${tag}`], Layers: layers.map(layerName) }]
  const files = blobs.map((blob) => ({
    name: blob.digest === config.digest ? configName : layerName(blob),
    digest: blob.digest,
    sizeBytes: blob.size,
  }))
  return [{ name: 'manifest.json', bytes: Buffer.from(JSON.stringify(manifest)) }, ...files]
}

interface Tree {
  readonly manifests: readonly ReadManifest[]
  readonly blobs: readonly Descriptor[]
}

/** The manifest with all that it lists and needs, each once. */
async function gather(registry: Registry, wanted: ArchiveWanted, root: ReadManifest): Promise<Tree> {
  const manifests = new Map<Digest, ReadManifest>()
  const needed: Descriptor[] = []
  const visit = async (manifest: ReadManifest, depth: number): Promise<void> => {
    if (manifests.has(manifest.digest)) return
    manifests.set(manifest.digest, manifest)
    if (manifests.size > manifestsMax || depth > depthMax) throw tooMuch()
    const { config, layers, children } = manifest.manifest
    needed.push(...(config === undefined ? [] : [config]), ...layers)
    for (const child of children) {
      if (!isManifestMediaType(child.mediaType)) needed.push(child)
      else await visit(await childManifest(registry, wanted, child), depth + 1)
    }
    if (needed.length > blobsMax) throw tooMuch()
  }
  await visit(root, 0)
  return { manifests: [...manifests.values()], blobs: await present(registry, wanted, once(needed)) }
}

async function childManifest(registry: Registry, wanted: ArchiveWanted, child: Descriptor): Promise<ReadManifest> {
  try {
    return await readManifest(registry, { ...wanted, reference: child.digest }, { digest: child.digest })
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'RESOURCE_UNKNOWN') throw error
    const message = `${wanted.reference} lists ${child.digest}, which is not here: ask for one platform`
    throw new RegistryError('CONTENT_UNREADABLE', { digest: child.digest }, { message, cause: error })
  }
}

function tooMuch(): RegistryError {
  return new RegistryError('CONTENT_UNREADABLE', undefined, { message: 'it lists more than goes into one archive: ask for one platform' })
}

function once(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  return [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()]
}

/** Those that are here, of the size that they should have. Layers that clients fetch from elsewhere may be away (image-spec layer.md). */
async function present(
  { metadata }: Registry,
  { repository }: ArchiveWanted,
  blobs: readonly Descriptor[],
): Promise<readonly Descriptor[]> {
  const here: Descriptor[] = []
  for (const blob of blobs) {
    const place = await findBlob(metadata.reader, repository, blob.digest)
    if (place === 'no-repository') throw new RegistryError('NAME_UNKNOWN', { name: repository })
    if (place === undefined && isNonDistributable(blob.mediaType)) continue
    if (place === undefined) throw missing(blob, 'its bytes are not here: they are missing, or were set aside as damaged')
    if (place.sizeBytes !== blob.size) throw missing(blob, `it has ${place.sizeBytes} bytes, and the manifest says ${blob.size}`)
    here.push(blob)
  }
  return here
}

function missing({ digest }: Descriptor, reason: string): RegistryError {
  return new RegistryError('CONTENT_UNREADABLE', { digest, reason }, { message: `${digest} cannot be read: ${reason}` })
}

function fileBytes(file: ArchiveFile): number {
  const sizeBytes = sizeOf(file)
  return tarHeader({ name: file.name, sizeBytes }, 0).length + sizeBytes + tarPaddingOf(sizeBytes)
}

function sizeOf(file: ArchiveFile): number {
  return 'bytes' in file ? file.bytes.length : file.sizeBytes
}

/** The same bytes each time for the same image: no file has a time of its own. */
async function* write(registry: Registry, wanted: ArchiveWanted, files: readonly ArchiveFile[]): AsyncGenerator<Uint8Array, void, void> {
  for (const file of files) {
    const sizeBytes = sizeOf(file)
    yield tarHeader({ name: file.name, sizeBytes }, 0)
    if ('bytes' in file) yield file.bytes
    else yield* readBlobContent(await pullBlob(registry, wanted.repository, file.digest, { ...wanted.actor, direct: true }), wanted.signal)
    const padding = tarPaddingOf(sizeBytes)
    if (padding > 0) yield Buffer.alloc(padding)
  }
  yield Buffer.alloc(2 * tarBlockBytes)
}
