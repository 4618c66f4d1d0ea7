import type { Principal } from '#access/principal.ts'
import type { Endpoint } from '#http/endpoint.ts'
import { actorOf, bodyLength, closeSignal, type Exchange, type TargetedExchange } from '#http/exchange.ts'
import { isInReach } from '#http/gate.ts'
import { blobLocation, uploadLocation } from '#http/locations.ts'
import { readBody, refuseEncodedBody } from '#http/request-body.ts'
import { respondError } from '#http/respond-error.ts'
import { respond, type HeaderList } from '#http/respond.ts'
import { malformedDigest, type UploadRoute, type UploadsRoute } from '#http/router.ts'
import { parseDigest, parseDigestAlgorithm, type Digest, type DigestAlgorithm } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseContentRange, type ByteRange } from '#oci/range.ts'
import { parseRepositoryName, type RepositoryName } from '#oci/reference.ts'
import { mountBlob } from '#registry/mount-blob.ts'
import { abandonUpload, appendUpload, finishUpload, pushWholeBlob, startUpload, statUpload } from '#registry/push-blob.ts'

/** `/v2/<name>/blobs/uploads/`: start (end-4a), whole blob in one request (end-4b), another algorithm (end-4c), mount (end-11). */
export const uploads: Endpoint<UploadsRoute> = {
  name: 'blob_upload',
  operations: { POST: { demand: 'repository:push', kind: 'write', run: postUpload } },
}

/** `/v2/<name>/blobs/uploads/<id>`: chunk (end-5), finish (end-6), status (end-13), cancel (end-14). */
export const upload: Endpoint<UploadRoute> = {
  name: 'blob_upload_chunk',
  operations: {
    GET: { demand: 'repository:push', kind: 'read', run: getUpload },
    HEAD: { demand: 'repository:push', kind: 'read', run: getUpload },
    PATCH: { demand: 'repository:push', kind: 'write', run: patchUpload },
    PUT: { demand: 'repository:push', kind: 'write', run: putUpload },
    // A write, not a delete: who may push may give up, whether or not deletes are switched on.
    DELETE: { demand: 'repository:push', kind: 'write', run: deleteUpload },
  },
}

interface UploadStatus {
  readonly uploadId: string
  readonly offsetBytes: number
}

async function postUpload(exchange: TargetedExchange, { repository }: UploadsRoute, principal: Principal): Promise<void> {
  const { query } = exchange.target
  const mount = query.get('mount')
  if (mount !== null && (await mounted(exchange, repository, { digest: requireDigest(mount), principal }))) return
  const digest = query.get('digest')
  if (digest !== null && mount === null) {
    await pushAtOnce(exchange, repository, requireDigest(digest))
    return
  }
  const algorithm = algorithmOf(query.get('digest-algorithm'))
  const { registry } = exchange.site.parts
  const status = await startUpload(registry, repository, actorOf(exchange), algorithm === undefined ? {} : { algorithm })
  // No minimum: said so that clients need not guess.
  respond(exchange, 202, [...uploadHeaders(exchange, repository, status), 'OCI-Chunk-Min-Length', '0'])
}

/** Answers 201 if the blob is somewhere the caller may pull from (in `from`, if it is given). */
async function mounted(
  exchange: TargetedExchange,
  repository: RepositoryName,
  wish: { digest: Digest; principal: Principal },
): Promise<boolean> {
  const { registry, access } = exchange.site.parts
  const named = exchange.target.query.get('from')
  const asked = named === null ? undefined : parseRepositoryName(named)
  // A source that no repository can be called holds nothing: the client goes on with an upload (spec "Mounting a blob from another repository").
  if (named !== null && asked === undefined) return false
  const { digest, principal } = wish
  const located = asked === undefined ? undefined : await access.locate(asked)
  // A project that is closed to the caller's address is no source: what is mounted could be pulled from there.
  if (!(await isInReach(exchange, located?.project))) return false
  const source = located === undefined ? {} : { from: located.repository }
  const visibility = await access.visibility(principal, 'repository:pull')
  if (!(await mountBlob(registry, { repository, digest, visibility, actor: actorOf(exchange), ...source }))) return false
  respondCreated(exchange, repository, digest)
  return true
}

async function pushAtOnce(exchange: Exchange, repository: RepositoryName, digest: Digest): Promise<void> {
  refuseEncodedBody(exchange.request)
  const { registry } = exchange.site.parts
  await pushWholeBlob(registry, repository, actorOf(exchange), { digest, ...bodyOf(exchange) })
  respondCreated(exchange, repository, digest)
}

async function getUpload(exchange: Exchange, route: UploadRoute): Promise<void> {
  const status = await statUpload(exchange.site.parts.registry, targetOf(exchange, route))
  respond(exchange, 204, uploadHeaders(exchange, route.repository, status))
}

async function patchUpload(exchange: Exchange, route: UploadRoute): Promise<void> {
  refuseEncodedBody(exchange.request)
  await orderly(exchange, route, async () => {
    const input = { ...bodyOf(exchange), ...rangeOf(exchange) }
    const status = await appendUpload(exchange.site.parts.registry, targetOf(exchange, route), input.body, input)
    respond(exchange, 202, uploadHeaders(exchange, route.repository, status))
  })
}

async function putUpload(exchange: TargetedExchange, route: UploadRoute): Promise<void> {
  refuseEncodedBody(exchange.request)
  const digest = requireDigest(exchange.target.query.get('digest') ?? '')
  await orderly(exchange, route, async () => {
    await finishUpload(exchange.site.parts.registry, targetOf(exchange, route), { digest, ...bodyOf(exchange), ...rangeOf(exchange) })
    respondCreated(exchange, route.repository, digest)
  })
}

async function deleteUpload(exchange: Exchange, route: UploadRoute): Promise<void> {
  await abandonUpload(exchange.site.parts.registry, targetOf(exchange, route))
  respond(exchange, 204, [])
}

/** Runs a write; a chunk that does not fit is answered with where the upload stands (spec "Pushing a blob in chunks": 416 with Location and Range). */
async function orderly(exchange: Exchange, route: UploadRoute, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'RANGE_INVALID') throw error
    const status = await statUpload(exchange.site.parts.registry, targetOf(exchange, route))
    respondError(exchange, error, uploadHeaders(exchange, route.repository, status))
  }
}

/** registry:2 says `0-0` for nothing as for one byte. */
function uploadHeaders(exchange: Exchange, repository: RepositoryName, { uploadId, offsetBytes }: UploadStatus): HeaderList {
  const location = uploadLocation(exchange, repository, uploadId)
  return ['Location', location, 'Range', `0-${Math.max(0, offsetBytes - 1)}`, 'Docker-Upload-UUID', uploadId]
}

function respondCreated(exchange: Exchange, repository: RepositoryName, digest: Digest): void {
  respond(exchange, 201, ['Location', blobLocation(exchange, repository, digest), 'Docker-Content-Digest', digest])
}

function targetOf(exchange: Exchange, { repository, uploadId }: UploadRoute) {
  return { repository, uploadId, actor: actorOf(exchange) }
}

function bodyOf(exchange: Exchange) {
  const contentLength = bodyLength(exchange.request)
  const length = contentLength === undefined ? {} : { contentLength }
  return { body: readBody(exchange), signal: closeSignal(exchange), ...length }
}

/** Throws RANGE_INVALID for a Content-Range that cannot be read. */
function rangeOf({ request }: Exchange): { range?: ByteRange } {
  const header = request.headers['content-range']
  if (header === undefined || header === '') return {}
  const range = parseContentRange(header)
  // Clients that send a closing PUT without a body name the empty range behind the last byte, which cannot be written; there is nothing to check.
  if (range === undefined && bodyLength(request) === 0) return {}
  if (range === undefined) throw new RegistryError('RANGE_INVALID', 'Content-Range is not of the form <start>-<end>')
  return { range }
}

function requireDigest(text: string): Digest {
  const digest = parseDigest(text)
  if (digest === undefined) throw new RegistryError('DIGEST_INVALID', undefined, { message: malformedDigest })
  return digest
}

/** `digest-algorithm` of end-4c. blake3 is registered in the image-spec, but Node has none that would not cost more than it saves. */
function algorithmOf(text: string | null): DigestAlgorithm | undefined {
  if (text === null) return undefined
  const algorithm = parseDigestAlgorithm(text)
  if (algorithm !== undefined) return algorithm
  throw new RegistryError('DIGEST_INVALID', undefined, { message: 'this digest algorithm is not offered: use sha256 or sha512' })
}
