/** The images of what `docker save` writes, and of what others write like it: a manifest.json with a config, names, and layers by their file names. */
import { parseObject, type JsonObject } from '#oci/descriptor.ts'
import { digestOf, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseStrictJson } from '#oci/json.ts'
import { ociManifest } from '#oci/media-types.ts'
import type { Registry } from '#registry/registry.ts'
import {
  archiveError,
  pushDocument,
  type FoundImage,
  type ImportedLayer,
  type ImportWanted,
  type PreparedImage,
  type ReadArchive,
} from './image-import-read.ts'
import { pathParts } from './image-tree.ts'

interface Saved {
  readonly archive: ReadArchive
  readonly manifest: Buffer
}

interface SavedImage {
  readonly config: string
  readonly names: readonly string[]
  readonly layers: readonly string[]
}

const imagesMax = 100
const layersMax = 500
const linksMax = 10

const layerTypes = {
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const

/** Throws ARCHIVE_INVALID for a manifest.json that makes no sense. */
export function dockerImages(registry: Registry, wanted: ImportWanted, { archive, manifest }: Saved): readonly FoundImage[] {
  const list = json(manifest, 'manifest.json')
  if (!Array.isArray(list) || list.length > imagesMax) throw archiveError(`its manifest.json is no list of ${imagesMax} images at most`)
  return list.map((each) => {
    const image = savedImage(each)
    return { names: image.names, prepare: () => prepare(registry, wanted, { archive, image }) }
  })
}

function savedImage(value: unknown): SavedImage {
  const { Config: config, RepoTags: names, Layers: layers } = objectOf(value, 'an entry of its manifest.json')
  if (typeof config !== 'string') throw archiveError('an entry of its manifest.json names no Config')
  return { config, names: textsOf(names ?? [], 'RepoTags'), layers: textsOf(layers ?? [], 'Layers') }
}

function textsOf(value: unknown, name: string): readonly string[] {
  if (Array.isArray(value) && value.length <= layersMax && value.every((each) => typeof each === 'string')) return value
  throw archiveError(`an entry of its manifest.json has ${name} that are no list of ${layersMax} names at most`)
}

/** Makes the manifest that `docker push` would have made, of what is there. */
async function prepare(
  registry: Registry,
  wanted: ImportWanted,
  { archive, image }: { readonly archive: ReadArchive; readonly image: SavedImage },
): Promise<PreparedImage> {
  const config = archive.named.get(target(archive, image.config))
  if (config === undefined) throw archiveError(`it lacks the config ${image.config}`)
  const diffIds = diffIdsOf(config, image)
  const layers = image.layers.map((name, index) => layerOf(archive, name, diffIds[index]))
  const digest = digestOf(config, 'sha256')
  // Writers name the config by its digest.
  const stated = /(?:^|[/:])([0-9a-f]{64})(?:\.json)?$/.exec(image.config)?.[1]
  if (stated !== undefined && digest !== `sha256:${stated}`) throw new RegistryError('DIGEST_INVALID', { digest: `sha256:${stated}` })
  await pushDocument(registry, wanted, { digest, bytes: config })
  const manifest = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: config.length },
    layers: layers.map(({ packing, digest: layer, sizeBytes }) => ({ mediaType: layerTypes[packing], digest: layer, size: sizeBytes })),
  }
  const bytes = Buffer.from(JSON.stringify(manifest))
  return { digest: digestOf(bytes, 'sha256'), mediaType: ociManifest, bytes, missingPlatforms: [] }
}

/** What each layer must be when it is unpacked (image-spec config.md, rootfs). */
function diffIdsOf(config: Buffer, { config: name, layers }: SavedImage): readonly string[] {
  const { rootfs } = objectOf(json(config, name), name)
  const diffIds = textsOf(objectOf(rootfs, `the rootfs of ${name}`)['diff_ids'] ?? [], 'diff_ids')
  if (diffIds.length !== layers.length)
    throw archiveError(`its config ${name} has ${diffIds.length} layers, and its manifest.json ${layers.length}`)
  return diffIds
}

function layerOf(archive: ReadArchive, name: string, diffId: string | undefined): ImportedLayer {
  const layer = archive.layers.get(target(archive, name))
  if (layer === undefined) throw archiveError(`it lacks the layer ${name}`)
  if (layer.diffId !== undefined && layer.diffId !== diffId) throw new RegistryError('DIGEST_INVALID', { digest: diffId as Digest })
  return layer
}

/** The name, with links followed: the same layer of two images is there once. */
function target({ links }: ReadArchive, name: string): string {
  let at = pathParts(name).join('/')
  for (let followed = 0; followed < linksMax; followed++) {
    const next = links.get(at)
    if (next === undefined) return at
    at = next
  }
  throw archiveError(`its file ${name} is a link that leads in a circle`)
}

function json(bytes: Buffer, name: string): unknown {
  try {
    return parseStrictJson(bytes)
  } catch (error) {
    throw unreadable(error, name)
  }
}

function objectOf(value: unknown, name: string): JsonObject {
  try {
    return parseObject(value, name)
  } catch (error) {
    throw unreadable(error, name)
  }
}

function unreadable(error: unknown, name: string): unknown {
  if (!(error instanceof RegistryError) || error.status >= 500) return error
  return archiveError(`${name} cannot be read: ${typeof error.detail === 'string' ? error.detail : error.message}`, error)
}
