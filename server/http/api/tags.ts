/** Serves api/routes/tags.ts. */
import * as routes from '#api/routes/tags.ts'
import { parseDigest, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseTag, type Tag } from '#oci/reference.ts'
import { deleteTag } from '#registry/delete-manifest.ts'
import { describeTag, listTagRows, tagHistory, type ListedTag } from '#registry/list-tag-rows.ts'
import { tagManifest } from '#registry/tag-manifest.ts'
import { actorOf } from '#http/exchange.ts'
import { instantOf, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

const sorts = { name: 'text', updatedAt: 'number' } as const

interface AttachedLabel {
  readonly id: number
  readonly name: string
  readonly color: string
}

/** The labels of a row, as they stand on tags and manifests. */
export function attachedLabels(labels: readonly AttachedLabel[]): AttachedLabel[] {
  return labels.map(({ id, name, color }) => ({ id, name, color }))
}

function tagBody(row: ListedTag) {
  return {
    name: row.name,
    digest: row.digest,
    mediaType: row.mediaType,
    ...(row.artifactType !== undefined && { artifactType: row.artifactType }),
    sizeBytes: row.sizeBytes,
    totalSizeBytes: row.total.sizeBytes,
    totalSizeIsExact: row.total.isExact,
    createdAt: instantOf(row.createdAt),
    updatedAt: instantOf(row.updatedAt),
    labels: attachedLabels(row.labels),
  }
}

function answerWith(row: ListedTag) {
  return { body: tagBody(row), version: row.digest }
}

/** Throws PRECONDITION_FAILED for what is no digest: no tag points there. */
function expectedDigest(tag: string): Digest {
  const digest = parseDigest(tag)
  if (digest === undefined) throw new RegistryError('PRECONDITION_FAILED')
  return digest
}

/** What is no tag names nothing that is there. */
function tagOf(text: string): Tag {
  const tag = parseTag(text)
  if (tag === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  return tag
}

/** Tags of repositories. */
export const tagRoutes: readonly ServedRoute[] = [
  serve(routes.listTags, async ({ parts, repository, query, page }) => {
    const filter = { namePrefix: query.q, labelId: query.label }
    return { body: pageBody(await listTagRows(parts.registry, repository, { filter, page: sortedPage(page, sorts) }), tagBody) }
  }),
  serve(routes.createTag, async ({ parts, principal, repository, body, who }) => {
    const tag = tagOf(body.name)
    const digest = parseDigest(body.digest)
    if (digest === undefined) throw new RegistryError('DIGEST_INVALID', { digest: body.digest })
    const mayMove = await parts.access.may(principal, 'tag:update', { repository })
    await tagManifest(parts.registry, { repository, tag, digest, mayMove }, who)
    const location = `/repositories/${encodeURIComponent(repository)}/tags/${encodeURIComponent(tag)}`
    return { ...answerWith(await describeTag(parts.registry, repository, tag)), location }
  }),
  serve(routes.readTag, async ({ parts, repository, params }) =>
    answerWith(await describeTag(parts.registry, repository, tagOf(params.tag))),
  ),
  serve(routes.deleteTag, async ({ parts, repository, params, ifMatch, exchange }) => {
    const name = tagOf(params.tag)
    const wanted = ifMatch === undefined ? name : { name, expectedDigest: expectedDigest(ifMatch) }
    await deleteTag(parts.registry, repository, wanted, actorOf(exchange))
  }),
  serve(routes.listTagHistory, async ({ parts, repository, params, page }) => {
    const wanted = { ...sortedPage(page, { at: 'number' }), column: 'id' } as const
    const history = await tagHistory(parts.registry, repository, { name: tagOf(params.tag), page: wanted })
    return {
      body: pageBody(history, ({ digest, previousDigest, at, actor }) => ({
        ...(digest !== undefined && { digest }),
        ...(previousDigest !== undefined && { previousDigest }),
        at: instantOf(at),
        actor,
      })),
    }
  }),
]
