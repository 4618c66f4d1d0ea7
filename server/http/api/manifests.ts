/** Serves api/routes/manifests.ts. */
import * as routes from '#api/routes/manifests.ts'
import type { Descriptor } from '#oci/descriptor.ts'
import { parseDigest, type Digest } from '#oci/digest.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import { deleteManifest } from '#registry/delete-manifest.ts'
import {
  describeManifest,
  readManifestDocument,
  type DescribedChild,
  type DescribedLayer,
  type ManifestDescription,
} from '#registry/describe-manifest.ts'
import { listManifestRows, type ListedManifest } from '#registry/list-manifest-rows.ts'
import { listReferrers } from '#registry/list-referrers.ts'
import { actorOf } from '#http/exchange.ts'
import { deletedPlace } from './deleted-place.ts'
import { instantOf, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'
import { attachedLabels, pullsBody } from './tags.ts'

const sorts = { createdAt: 'number', sizeBytes: 'number' } as const

function summaryOf(row: Omit<ListedManifest, 'id'>) {
  return {
    digest: row.digest,
    mediaType: row.mediaType,
    ...(row.artifactType !== undefined && { artifactType: row.artifactType }),
    ...(row.subject !== undefined && { subject: row.subject }),
    sizeBytes: row.sizeBytes,
    totalSizeBytes: row.total.sizeBytes,
    totalSizeIsExact: row.total.isExact,
    isChild: row.isChild,
    createdAt: instantOf(row.createdAt),
    tags: [...row.tags],
    hasMoreTags: row.hasMoreTags,
    labels: attachedLabels(row.labels),
    ...pullsBody(row.pulled),
  }
}

function descriptorBody({ mediaType, digest, size, artifactType, annotations }: Descriptor) {
  return {
    mediaType,
    digest,
    sizeBytes: size,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  }
}

function layerBody(layer: DescribedLayer) {
  return { ...descriptorBody(layer), ...(layer.history !== undefined && { history: layer.history }) }
}

function platformBody(child: DescribedChild) {
  return { ...descriptorBody(child), ...child.platform, isPresent: child.isPresent }
}

function detailsOf(row: ManifestDescription) {
  return {
    ...summaryOf(row),
    kind: row.kind,
    annotations: row.annotations,
    ...(row.config !== undefined && { config: row.config }),
    ...(row.configDescriptor !== undefined && { configDescriptor: descriptorBody(row.configDescriptor) }),
    ...(row.configProblem !== undefined && { configProblem: row.configProblem }),
    layers: row.layers.map(layerBody),
    layerCount: row.layerCount,
    platforms: row.children.map(platformBody),
    platformCount: row.childCount,
    referrers: row.referrers.map(descriptorBody),
    hasMoreReferrers: row.hasMoreReferrers,
    isTruncated: row.isTruncated,
  }
}

/** What is no digest names nothing that is there. */
function digestOf(text: string): Digest {
  const digest = parseDigest(text)
  if (digest === undefined) throw resourceUnknown('manifest', text)
  return digest
}

/** Manifests of repositories. */
export const manifestRoutes: readonly ServedRoute[] = [
  serve(routes.listManifests, async ({ parts, repository, query, page }) => {
    const { mediaType, artifactType, tagged: isTagged, child: isChild, label: labelId } = query
    const filter = { mediaType, artifactType, isTagged, isChild, labelId }
    return { body: pageBody(await listManifestRows(parts.registry, repository, { filter, page: sortedPage(page, sorts) }), summaryOf) }
  }),
  serve(routes.readManifest, async ({ parts, repository, params, exchange }) => ({
    // Lists below are the rooms' own and readonly; the answer is made of them and read once.
    body: detailsOf(await describeManifest(parts.registry, repository, digestOf(params.digest), actorOf(exchange))) as never,
  })),
  serve(routes.readManifestDocument, async ({ parts, repository, params }) => {
    const { mediaType, bytes } = await readManifestDocument(parts.registry, repository, digestOf(params.digest))
    return { body: { mediaType, text: new TextDecoder().decode(bytes) } }
  }),
  serve(routes.deleteManifest, async ({ parts, repository, params, exchange }) => {
    await deleteManifest(parts.registry, repository, digestOf(params.digest), actorOf(exchange))
    return deletedPlace(parts, { asked: params.repository, repository, rest: `/manifests/${params.digest}` })
  }),
  serve(routes.listManifestReferrers, async ({ parts, repository, params, query, page }) => {
    const last = page.after === undefined ? undefined : String(page.after.value)
    const wanted = { artifactType: query.artifactType, last }
    const { descriptors, next } = await listReferrers(parts.registry, repository, digestOf(params.digest), wanted)
    const place = next === undefined ? undefined : { value: next, id: 0 }
    return { body: pageBody({ items: descriptors, next: place }, descriptorBody) }
  }),
]
