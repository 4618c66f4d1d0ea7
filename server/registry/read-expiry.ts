/** How long the tags of a manifest live, as the manifest or the image says: annotations first, then the labels of the config. */
import { findManifest, manifestPayload } from '#metadata/manifests.ts'
import type { Digest } from '#oci/digest.ts'
import { expiryOf } from '#oci/expiry.ts'
import type { Manifest } from '#oci/manifest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { readImageConfig } from './read-image-config.ts'
import type { Registry } from './registry.ts'

/** An index of more images says what it says itself. */
const childrenMax = 20

/** Something of a repository that is looked at, and when the tag was pointed at it. */
interface Looked {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly pushedAt: number
}

/**
 * When a tag expires that was pointed there at `pushedAt`. An index that says nothing itself lives as long as the one of its images that lives longest,
 * if all of them say how long. Undefined: for ever. Throws what reading throws when the database or the store is away.
 */
export async function readExpiry(registry: Registry, looked: Looked): Promise<number | undefined> {
  const manifest = await readManifest(registry, looked)
  if (manifest === undefined) return undefined
  const own = await expiryOfManifest(registry, manifest, looked)
  if (own !== undefined || manifest.children.length === 0) return own
  return await latestOfImages(registry, manifest, looked)
}

async function latestOfImages(registry: Registry, index: Manifest, looked: Looked): Promise<number | undefined> {
  // BuildKit puts what it attests beside the images, for no platform.
  const images = index.children.filter(({ platform }) => platform?.os !== 'unknown')
  if (images.length > childrenMax) return undefined
  let latest: number | undefined
  for (const { digest } of images) {
    const child = { ...looked, digest }
    const manifest = await readManifest(registry, child)
    const expiry = manifest && (await expiryOfManifest(registry, manifest, child))
    if (expiry === undefined) return undefined
    latest = Math.max(latest ?? expiry, expiry)
  }
  return latest
}

async function expiryOfManifest(
  registry: Registry,
  manifest: Manifest,
  { repository, pushedAt }: Pick<Looked, 'repository' | 'pushedAt'>,
): Promise<number | undefined> {
  const annotated = expiryOf(manifest.annotations, pushedAt)
  if (annotated !== undefined) return annotated
  const { config } = await readImageConfig(registry, repository, { descriptor: manifest.config, actor: nobody })
  return config && expiryOf(config.labels, pushedAt)
}

const nobody = { name: '', requestId: '' }

async function readManifest(
  registry: Registry,
  { repository, digest }: Pick<Looked, 'repository' | 'digest'>,
): Promise<Manifest | undefined> {
  const { reader } = registry.metadata
  const facts = await findManifest(reader, repository, { kind: 'digest', digest })
  if (facts === undefined || facts === 'no-repository') return undefined
  const bytes = registry.memory.contents.get(digest) ?? (await manifestPayload(reader, facts.manifestId))
  return bytes && (await registry.context.parser.parse(bytes, facts.mediaType))
}
