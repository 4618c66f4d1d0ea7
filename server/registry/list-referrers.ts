/**
 * Referrers: the manifests of a repository whose subject is a digest (distribution-spec "Listing Referrers").
 *
 * Clients that once met a registry without this end point keep a list of their own under a tag (`sha256-<hex>`, "Referrers Tag Schema"); entries
 * of it that are here and do not name their subject themselves are folded into the first page.
 */
import {
  findManifest,
  manifestsWithoutSubject,
  manifestPayload,
  referrersById,
  referrerSizes,
  type ManifestFacts,
  type Referrer,
} from '#metadata/manifests.ts'
import { findRepositoryId } from '#metadata/repositories.ts'
import type { Descriptor } from '#oci/descriptor.ts'
import { digestAlgorithm, digestHex, parseDigest, type Digest } from '#oci/digest.ts'
import { isIndexMediaType } from '#oci/media-types.ts'
import { parseTag, type RepositoryName } from '#oci/reference.ts'
import type { Registry } from './registry.ts'

/** Bounds of a page: entries, and the bytes of their annotations, which the client chose. */
const pageRows = 500
const pageAnnotationBytes = 2 * 1024 * 1024

/** Descriptors for the image index that answers. `next` is undefined on the last page. */
export interface ReferrerPage {
  readonly descriptors: readonly Descriptor[]
  /** What to pass as `last` for the next page. */
  readonly next: string | undefined
}

/** end-12a, end-12b. Never throws for what is not here: a repository or subject that is unknown has no referrers. */
export async function listReferrers(
  registry: Registry,
  repository: RepositoryName,
  subject: Digest,
  page: { readonly artifactType?: string | undefined; readonly last?: string | undefined } = {},
): Promise<ReferrerPage> {
  const { reader } = registry.metadata
  const repositoryId = await findRepositoryId(reader, repository)
  if (repositoryId === undefined) return { descriptors: [], next: undefined }
  const last = page.last === undefined ? undefined : parseDigest(page.last)
  const sizes = await referrerSizes(reader, { repositoryId, subject, artifactType: page.artifactType, last }, pageRows + 1)
  const fitting = fittingRows(sizes)
  const referrers = await referrersById(
    reader,
    sizes.slice(0, fitting).map(({ id }) => id),
  )
  const folded =
    page.last === undefined ? await fallbackEntries(registry, { repository, repositoryId, subject, artifactType: page.artifactType }) : []
  const next = fitting < sizes.length ? referrers.at(-1)?.digest : undefined
  return { descriptors: [...folded, ...referrers.map(descriptorOf)], next }
}

/** How many rows fill the page; one at least. */
function fittingRows(sizes: readonly { readonly annotationBytes: number }[]): number {
  let bytes = 0
  const limit = Math.min(sizes.length, pageRows)
  for (let count = 0; count < limit; count++) {
    bytes += sizes[count]?.annotationBytes ?? 0
    if (bytes > pageAnnotationBytes) return Math.max(count, 1)
  }
  return limit
}

function descriptorOf(referrer: Referrer): Descriptor {
  const { mediaType, digest, sizeBytes: size, artifactType } = referrer
  const annotations = referrer.annotations === undefined ? {} : (JSON.parse(referrer.annotations) as Record<string, string>)
  return {
    mediaType,
    digest,
    size,
    ...(artifactType !== undefined && { artifactType }),
    ...(Object.keys(annotations).length > 0 && { annotations }),
  }
}

interface Fallback {
  readonly repository: RepositoryName
  readonly repositoryId: number
  readonly subject: Digest
  readonly artifactType: string | undefined
}

async function fallbackEntries(registry: Registry, wanted: Fallback): Promise<Descriptor[]> {
  const { reader } = registry.metadata
  const tag = parseTag(fallbackTag(wanted.subject))
  const index = tag && (await findManifest(reader, wanted.repository, { kind: 'tag', tag }))
  if (index === undefined || index === 'no-repository' || !isIndexMediaType(index.mediaType)) return []
  const entries = (await readEntries(registry, index)).filter(
    (entry) => wanted.artifactType === undefined || entry.artifactType === wanted.artifactType,
  )
  const here = await manifestsWithoutSubject(reader, wanted.repositoryId, {
    digests: entries.map(({ digest }) => digest),
    subject: wanted.subject,
  })
  const once = new Map(entries.map((entry) => [entry.digest, entry]))
  return [...once.values()].flatMap((entry) => {
    const facts = here.get(entry.digest)
    return facts === undefined ? [] : [foldedDescriptor(entry, facts)]
  })
}

/** The client's word for what it is to the subject, ours for what it is. */
function foldedDescriptor({ artifactType, annotations }: Descriptor, { mediaType, digest, sizeBytes: size }: ManifestFacts): Descriptor {
  return { mediaType, digest, size, ...(artifactType !== undefined && { artifactType }), ...(annotations !== undefined && { annotations }) }
}

async function readEntries(registry: Registry, index: ManifestFacts): Promise<readonly Descriptor[]> {
  const bytes = registry.memory.contents.get(index.digest) ?? (await manifestPayload(registry.metadata.reader, index.manifestId))
  return bytes === undefined ? [] : (await registry.context.parser.parse(bytes, index.mediaType)).children
}

/** "Referrers Tag Schema": the algorithm cut to 32 characters, the hex to 64. */
function fallbackTag(subject: Digest): string {
  return `${digestAlgorithm(subject).slice(0, 32)}-${digestHex(subject).slice(0, 64)}`
}
