/** Serves api/routes/tags.ts. */
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/tags.ts'
import { parseDigest, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseTag, type Tag } from '#oci/reference.ts'
import { deleteTag } from '#registry/delete-manifest.ts'
import { describeTag, listTagRows, tagHistory, type ListedTag, type TagHistoryEntry } from '#registry/list-tag-rows.ts'
import { restoreTag } from '#registry/restore-tag.ts'
import { expireTag } from '#registry/expire-tag.ts'
import { tagManifest } from '#registry/tag-manifest.ts'
import { actorOf } from '#http/exchange.ts'
import { deletedPlace } from './deleted-place.ts'
import { instantOf, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'
import { staysWithoutDeletes, warningsMember } from './warnings.ts'

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

/** How often something was pulled, as it stands on tags and manifests. */
export function pullsBody(pulled: { readonly pulls: number; readonly lastPulledAt: number } | undefined): {
  pulls: number
  lastPulledAt?: string
} {
  return pulled === undefined ? { pulls: 0 } : { pulls: pulled.pulls, lastPulledAt: instantOf(pulled.lastPulledAt) }
}

/** A tag. */
export function tagBody(row: ListedTag): ResponseOf<typeof routes.readTag> {
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
    ...pullsBody(row.pulled),
    isImmutable: row.isImmutable,
    ...(row.expiresAt !== undefined && { expiresAt: instantOf(row.expiresAt) }),
  }
}

/** An entry of its history. */
export function tagChangeBody(entry: TagHistoryEntry): ResponseOf<typeof routes.listTagHistory>['items'][number] {
  const { id, action, digest, previousDigest, state, at, actor, reason } = entry
  return {
    id,
    action,
    ...(digest !== undefined && { digest }),
    ...(previousDigest !== undefined && { previousDigest }),
    state,
    at: instantOf(at),
    actor,
    ...(action === 'deleted' && reason !== '' && { reason }),
  } as ResponseOf<typeof routes.listTagHistory>['items'][number]
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
  serve(routes.createTag, async ({ parts, principal, repository, body, ifMatch, exchange, who }) => {
    const tag = tagOf(body.name)
    const digest = parseDigest(body.digest)
    if (digest === undefined) throw new RegistryError('DIGEST_INVALID', { digest: body.digest })
    const mayMove = await parts.access.may(principal, 'tag:update', { repository })
    // The header is about the tag that the body names; an `*` of it asks for one that is there.
    const isStar = exchange.request.headers['if-match'] !== undefined
    const expected = ifMatch === undefined ? (isStar ? 'anywhere' : undefined) : expectedDigest(ifMatch)
    await tagManifest(parts.registry, { repository, tag, digest, mayMove, expectedDigest: expected }, who)
    const location = `/repositories/${encodeURIComponent(repository)}/tags/${encodeURIComponent(tag)}`
    return { ...answerWith(await describeTag(parts.registry, repository, tag)), location }
  }),
  serve(routes.readTag, async ({ parts, repository, params }) =>
    answerWith(await describeTag(parts.registry, repository, tagOf(params.tag))),
  ),
  serve(routes.updateTag, async ({ parts, repository, params, body, ifMatch, who }) => {
    const tag = tagOf(params.tag)
    const expiresAt = body.expiresAt === null ? undefined : Date.parse(body.expiresAt)
    const expected = ifMatch === undefined ? undefined : expectedDigest(ifMatch)
    await expireTag(parts.registry, { repository, tag, expiresAt, expectedDigest: expected }, who)
    const changed = answerWith(await describeTag(parts.registry, repository, tag))
    const stays = expiresAt === undefined ? undefined : staysWithoutDeletes(parts, 'the tag stays')
    return { ...changed, body: { ...changed.body, ...warningsMember(stays) } }
  }),
  serve(routes.deleteTag, async ({ parts, repository, params, ifMatch, exchange }) => {
    const name = tagOf(params.tag)
    const wanted = ifMatch === undefined ? name : { name, expectedDigest: expectedDigest(ifMatch) }
    await deleteTag(parts.registry, repository, wanted, actorOf(exchange))
    return deletedPlace(parts, { asked: params.repository, repository, rest: `/tags/${name}` })
  }),
  serve(routes.listTagHistory, async ({ parts, repository, params, page }) => {
    const wanted = { ...sortedPage(page, { at: 'number' }), column: 'id' } as const
    return { body: pageBody(await tagHistory(parts.registry, repository, { name: tagOf(params.tag), page: wanted }), tagChangeBody) }
  }),
  serve(routes.restoreTag, async ({ parts, principal, repository, project, params, body, ifMatch, who }) => {
    const tag = tagOf(params.tag)
    if (body.digest !== undefined && body.change !== undefined)
      throw new RegistryError('REQUEST_INVALID', { path: 'change' }, { message: 'name a digest or an entry of the history, not both' })
    const digest = body.digest === undefined ? undefined : parseDigest(body.digest)
    if (body.digest !== undefined && digest === undefined) throw new RegistryError('DIGEST_INVALID', { digest: body.digest })
    const mayMove = await parts.access.may(principal, 'tag:update', { repository })
    const mayTakeFromTrash = await parts.access.may(principal, 'trash:restore', { project: project.name })
    const expected = ifMatch === undefined ? undefined : expectedDigest(ifMatch)
    const wanted = {
      repository,
      tag,
      digest,
      change: body.change,
      expectedDigest: expected,
      mayMove,
      mayTakeFromTrash,
      isForced: body.force,
    }
    const { missing } = await restoreTag(parts.registry, wanted, who)
    const { body: restored, version } = answerWith(await describeTag(parts.registry, repository, tag))
    return { body: { ...restored, missing: [...missing] }, version }
  }),
]
