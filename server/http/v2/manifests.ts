import type { Principal } from '#access/principal.ts'
import { cacheForEver, cacheShortly } from '#http/cache-control.ts'
import { matchesNone } from '#http/conditions.ts'
import type { Endpoint } from '#http/endpoint.ts'
import { actorOf, type Exchange, type TargetedExchange } from '#http/exchange.ts'
import { manifestLocation } from '#http/locations.ts'
import { notePull } from '#http/note-pull.ts'
import { readWholeBody, refuseEncodedBody } from '#http/request-body.ts'
import { beginResponse, endResponse, respond, type HeaderList } from '#http/respond.ts'
import type { ManifestRoute } from '#http/router.ts'
import type { Digest } from '#oci/digest.ts'
import { manifestTooBig, RegistryError } from '#oci/errors.ts'
import { octetStream } from '#oci/media-types.ts'
import { parseTag, type Tag } from '#oci/reference.ts'
import { deleteManifest, deleteTag } from '#registry/delete-manifest.ts'
import { pullManifest, statManifest } from '#registry/pull-manifest.ts'
import { pushManifest, tagsMax } from '#registry/push-manifest.ts'

/** `/v2/<name>/manifests/<tag-or-digest>`: GET and HEAD (end-3), PUT (end-7a, end-7b), DELETE (end-9). */
export const manifest: Endpoint<ManifestRoute> = {
  name: 'manifest',
  operations: {
    GET: { demand: 'repository:pull', kind: 'read', run: getManifest },
    HEAD: { demand: 'repository:pull', kind: 'read', run: headManifest },
    PUT: { demand: 'repository:push', kind: 'write', run: putManifest },
    DELETE: {
      demand: ({ reference }) => (reference.kind === 'digest' ? 'manifest:delete' : 'tag:delete'),
      kind: 'delete',
      run: removeManifest,
    },
  },
}

// NOTE: Accept is not looked at. A client that cannot read the type sees it in Content-Type; registry:2's 404 for a manifest that is there misleads.
async function getManifest(exchange: Exchange, { repository, reference }: ManifestRoute): Promise<void> {
  const { manifestId, digest, mediaType, bytes, isLastKnown } = await pullManifest(
    exchange.site.parts.registry,
    repository,
    reference,
    actorOf(exchange),
  )
  const headers = [...manifestHeaders(exchange, reference.kind, digest), ...staleness(reference.kind, isLastKnown)]
  if (matchesNone(exchange.request.headers['if-none-match'], digest)) respond(exchange, 304, headers)
  else {
    respond(exchange, 200, ['Content-Type', contentType(mediaType), ...headers], bytes)
    notePull(exchange, { repository, manifestId, digest, tag: reference.kind === 'tag' ? reference.tag : undefined })
  }
}

async function headManifest(exchange: Exchange, { repository, reference }: ManifestRoute): Promise<void> {
  const found = await statManifest(exchange.site.parts.registry, repository, reference, actorOf(exchange))
  const headers = [...manifestHeaders(exchange, reference.kind, found.digest), ...staleness(reference.kind, found.isLastKnown)]
  if (matchesNone(exchange.request.headers['if-none-match'], found.digest)) {
    respond(exchange, 304, headers)
    return
  }
  beginResponse(exchange, 200, ['Content-Type', contentType(found.mediaType), 'Content-Length', String(found.sizeBytes), ...headers])
  endResponse(exchange)
}

function manifestHeaders(exchange: Exchange, kind: 'tag' | 'digest', digest: Digest): HeaderList {
  const cache = kind === 'digest' ? cacheForEver(exchange) : cacheShortly(exchange)
  return ['Docker-Content-Digest', digest, 'ETag', `"${digest}"`, ...cache]
}

/** RFC 7234 section 5.5.1: the tag may have moved since the database was last there. A digest means the same for ever. */
function staleness(kind: 'tag' | 'digest', isLastKnown: boolean): HeaderList {
  return kind === 'tag' && isLastKnown ? ['Warning', '110 - "Response is Stale"'] : []
}

/** A stored type is the pusher's word: what could not stand in a header is not put there. */
function contentType(mediaType: string): string {
  return /^[\x21-\x7e]+$/.test(mediaType) ? mediaType : octetStream
}

async function putManifest(exchange: TargetedExchange, { repository, reference }: ManifestRoute, principal: Principal): Promise<void> {
  const { registry, config, access } = exchange.site.parts
  refuseEncodedBody(exchange.request)
  const parameterTags = tagsOf(exchange.target.query)
  if (reference.kind === 'tag' && parameterTags.length > 0) {
    throw new RegistryError('REQUEST_INVALID', 'tag parameters go with a digest, not with another tag')
  }
  const limitBytes = config.limits.manifestBytes
  const bytes = await readWholeBody(exchange, limitBytes, manifestTooBig(limitBytes))
  const pushed = await pushManifest(registry, {
    repository,
    reference: reference.kind === 'tag' ? { tags: [reference.tag] } : { digest: reference.digest, tags: parameterTags },
    mediaType: mediaTypeOf(exchange.request.headers['content-type']),
    bytes,
    actor: actorOf(exchange),
    mayCreateTags: await access.may(principal, 'tag:create', { repository }),
    mayMoveTags: await access.may(principal, 'tag:update', { repository }),
  })
  const subject = pushed.subject === undefined ? [] : ['OCI-Subject', pushed.subject]
  const tags = parameterTags.length === 0 ? [] : pushed.tags.flatMap((tag) => ['OCI-Tag', tag])
  const location = manifestLocation(exchange, repository, pushed.digest)
  exchange.site.parts.traffic?.pushed(exchange.notes.project?.id)
  respond(exchange, 201, ['Location', location, 'Docker-Content-Digest', pushed.digest, ...subject, ...tags])
}

/** The tags of end-7b, each once. */
function tagsOf(query: URLSearchParams): readonly Tag[] {
  const texts = query.getAll('tag')
  if (texts.length > tagsMax) throw new RegistryError('URI_TOO_LONG', { tagsMax })
  const tags = texts.map((text) => {
    const tag = parseTag(text)
    if (tag === undefined) throw new RegistryError('TAG_INVALID', { tag: text.slice(0, 200) }, { message: 'tag is malformed' })
    return tag
  })
  return [...new Set(tags)]
}

/** Content-Type without parameters; '' when there is none. */
function mediaTypeOf(header: string | undefined): string {
  return (header ?? '').split(';', 1).join('').trim()
}

async function removeManifest(exchange: Exchange, { repository, reference }: ManifestRoute): Promise<void> {
  const { registry } = exchange.site.parts
  if (reference.kind === 'digest') await deleteManifest(registry, repository, reference.digest, actorOf(exchange))
  else await deleteTag(registry, repository, reference.tag, actorOf(exchange))
  respond(exchange, 202, [])
}
