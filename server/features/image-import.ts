/**
 * Takes an archive of images (`docker save`, or a tar of an OCI image layout) as if each had been pushed.
 *
 * The problem: an archive is one stream of gigabytes in which what explains it may come last, and its layers must not wait anywhere for that. The way: one
 * pass in which large files become blobs as they come (image-import-read.ts), while documents, which are small, wait in memory; then the images are made of
 * what came (here for OCI, image-import-docker.ts for the older form) by the same verbs as a push, so that quotas, immutable tags, admission and the record
 * are the same. What an archive that is refused leaves behind are blobs that nothing needs, which garbage collection takes as it takes those of a broken push.
 */
import type { Descriptor } from '#oci/descriptor.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Manifest } from '#oci/manifest.ts'
import { isIndexMediaType, isManifestMediaType, ociIndex } from '#oci/media-types.ts'
import { parseTag, type Tag } from '#oci/reference.ts'
import { pushManifest } from '#registry/push-manifest.ts'
import type { Registry } from '#registry/registry.ts'
import { requireWritable } from '#registry/require.ts'
import { isRunnable, platformText } from './image-choose.ts'
import {
  archiveError,
  pushDocument,
  readArchive,
  type FoundImage,
  type ImportWanted,
  type PreparedImage,
  type ReadArchive,
} from './image-import-read.ts'
import { dockerImages } from './image-import-docker.ts'

/** An image that was made. */
export interface ImportedImage {
  readonly digest: Digest
  readonly mediaType: string
  readonly tags: readonly Tag[]
  /** Of an index: platforms that the archive lists and does not have; the image that it has was taken alone. */
  readonly missingPlatforms: readonly string[]
}

/** Which tags images get: the one that the caller says, or their own. */
export interface ImportTags {
  readonly tag: Tag | undefined
  readonly mayCreateTags: boolean
  readonly mayMoveTags: boolean
}

/** Throws ARCHIVE_INVALID, DIGEST_INVALID, and what a push throws. */
export async function importArchive(registry: Registry, wanted: ImportWanted, tags: ImportTags): Promise<readonly ImportedImage[]> {
  requireWritable(registry)
  const archive = await readArchive(registry, wanted)
  const images = await imagesOf(registry, wanted, archive)
  if (images.length === 0) throw archiveError('there is no image in it')
  const tagsByImage = tagsOf(images, tags.tag)
  const made: ImportedImage[] = []
  for (const [index, image] of images.entries()) {
    const { missingPlatforms, ...manifest } = await image.prepare()
    const own = tagsByImage[index] ?? []
    await push(registry, wanted, { ...manifest, tags: own, mayCreateTags: tags.mayCreateTags, mayMoveTags: tags.mayMoveTags })
    made.push({ digest: manifest.digest, mediaType: manifest.mediaType, tags: own, missingPlatforms })
  }
  return made
}

async function imagesOf(registry: Registry, wanted: ImportWanted, archive: ReadArchive): Promise<readonly FoundImage[]> {
  const index = archive.named.get('index.json')
  if (index !== undefined) return await layoutImages(registry, wanted, { archive, index })
  const manifest = archive.named.get('manifest.json')
  if (manifest !== undefined) return dockerImages(registry, wanted, { archive, manifest })
  throw archiveError('it has neither an index.json (OCI image layout) nor a manifest.json (docker save)')
}

/** One tag is for one image; otherwise each gets those of its own names. */
function tagsOf(images: readonly FoundImage[], tag: Tag | undefined): readonly (readonly Tag[])[] {
  if (tag !== undefined && images.length === 1) return [[tag]]
  if (tag !== undefined) {
    const names = images.map(({ names: [name] }) => name ?? 'one without a name').slice(0, 20)
    throw archiveError(
      `it has ${images.length} images (${names.join(', ')}), and one tag is for one: leave the tag out, and each gets its own`,
    )
  }
  const taken = new Set<Tag>()
  return images.map(({ names }) => {
    const own = [...new Set(names.map(tagOfName).filter((each) => each !== undefined))]
    for (const each of own) {
      if (taken.has(each)) throw archiveError(`two of its images have the tag ${each}: import them one by one`)
      taken.add(each)
    }
    return own
  })
}

/** `1.0` of `registry.example:5000/team/app:1.0`, of `app:1.0` and of itself. */
function tagOfName(name: string): Tag | undefined {
  const last = name.slice(name.lastIndexOf('/') + 1).replace(/@.*$/, '')
  const colon = last.lastIndexOf(':')
  if (colon === -1 && last !== name) return undefined
  return parseTag(last.slice(colon + 1))
}

interface Layout {
  readonly archive: ReadArchive
  readonly index: Buffer
}

/** The images of an OCI image layout (image-spec image-layout.md). */
async function layoutImages(registry: Registry, wanted: ImportWanted, { archive, index }: Layout): Promise<readonly FoundImage[]> {
  const { children } = await parse(registry, { bytes: index, mediaType: ociIndex, name: 'index.json' })
  const seen = new Map<Digest, { readonly child: Descriptor; readonly names: string[] }>()
  for (const child of children) {
    if (!isManifestMediaType(child.mediaType))
      throw archiveError(`its index.json lists ${child.digest}, which is no manifest but ${child.mediaType}`)
    const names = [child.annotations?.['org.opencontainers.image.ref.name'], child.annotations?.['io.containerd.image.name']]
    const known = seen.get(child.digest) ?? { child, names: [] }
    known.names.push(...names.filter((name) => name !== undefined))
    seen.set(child.digest, known)
  }
  const prepared = new Map<Digest, Manifest>()
  return [...seen.values()].map(({ child, names }) => ({
    names,
    prepare: () => prepareTree({ registry, wanted, archive, prepared }, child, 0),
  }))
}

interface LayoutWork {
  readonly registry: Registry
  readonly wanted: ImportWanted
  readonly archive: ReadArchive
  /** Manifests whose needs are there. */
  readonly prepared: Map<Digest, Manifest>
}

const depthMax = 4

/** Pushes what the manifest needs: blobs, and of an index the manifests that it lists. */
async function prepareTree(work: LayoutWork, descriptor: Descriptor, depth: number): Promise<PreparedImage> {
  const { registry, wanted, archive, prepared } = work
  const { digest, mediaType } = descriptor
  const bytes = archive.documents.get(digest)
  if (bytes === undefined) throw archiveError(`it lacks the manifest ${digest}`)
  const manifest = prepared.get(digest) ?? (await parse(registry, { bytes, mediaType, name: digest }))
  if (manifest.kind === 'index') return await prepareIndex(work, { digest, bytes, manifest }, depth)
  if (!prepared.has(digest)) {
    for (const blob of blobsOf(manifest))
      await pushDocument(registry, wanted, { digest: blob.digest, bytes: archive.documents.get(blob.digest) })
    prepared.set(digest, manifest)
  }
  return { digest, mediaType: manifest.mediaType, bytes, missingPlatforms: [] }
}

function blobsOf({ config, layers }: Manifest): readonly Descriptor[] {
  return config === undefined ? layers : [config, ...layers]
}

async function prepareIndex(
  work: LayoutWork,
  { digest, bytes, manifest }: { readonly digest: Digest; readonly bytes: Uint8Array; readonly manifest: Manifest },
  depth: number,
): Promise<PreparedImage> {
  const { registry, wanted, archive } = work
  if (depth >= depthMax) throw archiveError(`its indexes list indexes ${depth} deep`)
  const children = manifest.children.filter(({ mediaType }) => isManifestMediaType(mediaType))
  const missing = children.filter((child) => !archive.documents.has(child.digest))
  if (missing.length > 0) return await prepareOnlyOne(work, { digest, children, missing }, depth)
  for (const child of children) {
    const prepared = await prepareTree(work, child, depth + 1)
    await push(registry, wanted, { ...prepared, tags: [] })
  }
  for (const child of manifest.children) {
    if (!isManifestMediaType(child.mediaType))
      await pushDocument(registry, wanted, { digest: child.digest, bytes: archive.documents.get(child.digest) })
  }
  return { digest, mediaType: manifest.mediaType, bytes, missingPlatforms: [] }
}

/** `docker save` of an image for many platforms may have the one that was pulled: that is taken, and not the index, which would be broken. */
async function prepareOnlyOne(
  work: LayoutWork,
  {
    digest,
    children,
    missing,
  }: { readonly digest: Digest; readonly children: readonly Descriptor[]; readonly missing: readonly Descriptor[] },
  depth: number,
): Promise<PreparedImage> {
  const here = children.filter((child) => isRunnable(child) && !missing.includes(child) && !isIndexMediaType(child.mediaType))
  const [only] = here
  if (only === undefined || here.length > 1)
    throw archiveError(`it lacks ${missing.length} of the manifests that the index ${digest} lists`)
  const platforms = missing
    .filter(isRunnable)
    .map(({ digest: lacking, platform }) => (platform === undefined ? lacking : platformText(platform)))
  return { ...(await prepareTree(work, only, depth + 1)), missingPlatforms: platforms.slice(0, 100) }
}

interface Pushed {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly tags: readonly Tag[]
  readonly mayCreateTags?: boolean
  readonly mayMoveTags?: boolean
}

async function push(registry: Registry, { repository, actor }: ImportWanted, { digest, tags, ...manifest }: Pushed): Promise<void> {
  await pushManifest(registry, { ...manifest, repository, actor, reference: { digest, tags } })
}

/** Throws ARCHIVE_INVALID with what is wrong with the document. */
async function parse(
  registry: Registry,
  { bytes, mediaType, name }: { readonly bytes: Uint8Array; readonly mediaType: string; readonly name: string },
): Promise<Manifest> {
  try {
    return await registry.context.parser.parse(bytes, mediaType)
  } catch (error) {
    if (!(error instanceof RegistryError) || error.status >= 500) throw error
    throw archiveError(`${name} cannot be read: ${typeof error.detail === 'string' ? error.detail : error.message}`, error)
  }
}
