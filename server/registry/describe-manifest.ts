/**
 * One manifest for people: what it is, what it needs, what runs, who points at it and what refers to it.
 *
 * All of it comes from the document, from rows, and from one blob: the config. The document and the config are whatever somebody pushed: they are
 * parsed with limits, large ones in a thread, and a config that cannot be read is told as such beside the rest.
 */
import { contentSize, type ContentSize } from '#metadata/content-size.ts'
import { labelsOfManifests, type LabelRecord } from '#metadata/labels.ts'
import { findManifestRow, type ManifestRow } from '#metadata/manifest-rows.ts'
import { manifestPayload, manifestsOfRepository } from '#metadata/manifests.ts'
import { manifestPullsOf, type PullCount } from '#metadata/tag-pulls.ts'
import { tagsOfManifest } from '#metadata/tag-rows.ts'
import type { Descriptor } from '#oci/descriptor.ts'
import { digestAlgorithm, digestOf, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { historyByLayer, type HistoryEntry, type ImageConfig } from '#oci/image-config.ts'
import type { Manifest } from '#oci/manifest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { listReferrers } from './list-referrers.ts'
import { requireRepositoryId } from './list-tag-rows.ts'
import { readImageConfig } from './read-image-config.ts'
import type { Actor, Registry } from './registry.ts'

/** A layer with the step that made it, where the config tells. */
export interface DescribedLayer extends Descriptor {
  readonly history?: HistoryEntry | undefined
}

/** An entry of an index. */
export interface DescribedChild extends Descriptor {
  /** Whether it is a manifest of the repository. */
  readonly isPresent: boolean
}

/** What {@link describeManifest} tells. Lists end at {@link shownDescriptors}; the counts are of all. */
export interface ManifestDescription extends ManifestRow {
  readonly kind: Manifest['kind']
  readonly annotations: Readonly<Record<string, string>>
  readonly configDescriptor: Descriptor | undefined
  /** Undefined when the config is none of an image, is missing, or could not be read: then `configProblem` says why. */
  readonly config: ImageConfig | undefined
  readonly configProblem: string | undefined
  readonly layers: readonly DescribedLayer[]
  readonly layerCount: number
  readonly children: readonly DescribedChild[]
  readonly childCount: number
  readonly tags: readonly Tag[]
  readonly hasMoreTags: boolean
  readonly labels: readonly LabelRecord[]
  readonly referrers: readonly Descriptor[]
  readonly hasMoreReferrers: boolean
  /** Of the document and all that it needs, each blob once. */
  readonly total: ContentSize
  /** How often it was pulled, by whatever reference, and when last; a minute behind. Undefined: never. */
  readonly pulled: PullCount | undefined
  /** Layers, children or annotations were left out: there are more than are told. */
  readonly isTruncated: boolean
}

/** Layers, children, tags and referrers that are told with a manifest. */
export const shownDescriptors = 1_000
const shownTags = 100
const shownReferrers = 100
/** Characters of annotations: a hostile document has 4 MiB of them, thrice. */
const shownAnnotations = 256 * 1024

/** Throws `NAME_UNKNOWN`, `MANIFEST_UNKNOWN`. */
export async function describeManifest(
  registry: Registry,
  repository: RepositoryName,
  digest: Digest,
  actor: Actor,
): Promise<ManifestDescription> {
  const { reader } = registry.metadata
  const repositoryId = await requireRepositoryId(registry, repository)
  const row = await findManifestRow(reader, repositoryId, digest)
  const bytes = row && (registry.memory.contents.get(digest) ?? (await provenPayload(registry, row)))
  if (row === undefined || bytes === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { digest })
  const manifest = await registry.context.parser.parse(bytes, row.mediaType)
  const read = await readImageConfig(registry, repository, { descriptor: manifest.config, actor })
  const history = historyByLayer(read.config?.history ?? [], manifest.layers.length)
  const children = manifest.children.slice(0, shownDescriptors)
  const annotations = new AnnotationBudget(shownAnnotations)
  const shown = <Annotated extends Descriptor>(descriptor: Annotated): Annotated =>
    descriptor.annotations === undefined ? descriptor : { ...descriptor, annotations: annotations.take(descriptor.annotations) }
  const present = await manifestsOfRepository(
    reader,
    repositoryId,
    children.map((child) => child.digest),
  )
  const tags = await tagsOfManifest(reader, row.id, shownTags + 1)
  const referrers = await listReferrers(registry, repository, digest)
  return {
    ...row,
    kind: manifest.kind,
    annotations: annotations.take(manifest.annotations),
    configDescriptor: manifest.config,
    config: read.config,
    configProblem: read.problem,
    layers: manifest.layers.slice(0, shownDescriptors).map((layer, index) => ({ ...shown(layer), history: history[index] })),
    layerCount: manifest.layers.length,
    children: children.map((child) => ({ ...shown(child), isPresent: present.has(child.digest) })),
    childCount: manifest.children.length,
    tags: tags.slice(0, shownTags),
    hasMoreTags: tags.length > shownTags,
    labels: (await labelsOfManifests(reader, [row.id])).get(row.id) ?? [],
    referrers: referrers.descriptors.slice(0, shownReferrers).map(shown),
    hasMoreReferrers: referrers.descriptors.length > shownReferrers || referrers.next !== undefined,
    total: await contentSize(reader, row),
    pulled: (await manifestPullsOf(reader, [row.id])).get(row.id),
    isTruncated: annotations.isSpent || manifest.layers.length > shownDescriptors || manifest.children.length > shownDescriptors,
  }
}

/** Lets annotations pass until so many characters have. */
class AnnotationBudget {
  #left: number

  constructor(characters: number) {
    this.#left = characters
  }

  get isSpent(): boolean {
    return this.#left < 0
  }

  take(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    if (this.isSpent) return {}
    const taken: [string, string][] = []
    for (const [name, value] of Object.entries(annotations)) {
      this.#left -= name.length + value.length
      if (this.isSpent) break
      taken.push([name, value])
    }
    return Object.fromEntries(taken)
  }
}

/** The document itself. Throws MANIFEST_UNKNOWN when it is not here. */
export async function readManifestDocument(
  registry: Registry,
  repository: RepositoryName,
  digest: Digest,
): Promise<{ readonly mediaType: string; readonly bytes: Uint8Array }> {
  const { reader } = registry.metadata
  const repositoryId = await requireRepositoryId(registry, repository)
  const row = await findManifestRow(reader, repositoryId, digest)
  const bytes = row && (registry.memory.contents.get(digest) ?? (await provenPayload(registry, row)))
  if (row === undefined || bytes === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { digest })
  return { mediaType: row.mediaType, bytes }
}

/** Undefined when the bytes went meanwhile, or are not those of the digest. */
async function provenPayload(registry: Registry, { id, digest }: ManifestRow): Promise<Uint8Array | undefined> {
  const bytes = await manifestPayload(registry.metadata.reader, id)
  return bytes !== undefined && digestOf(bytes, digestAlgorithm(digest)) === digest ? bytes : undefined
}
