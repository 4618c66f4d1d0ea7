import { cacheForEver } from '#http/cache-control.ts'
import { matchesNone } from '#http/conditions.ts'
import type { Endpoint } from '#http/endpoint.ts'
import { actorOf, type Exchange } from '#http/exchange.ts'
import { beginResponse, endResponse, respond, type HeaderList } from '#http/respond.ts'
import type { BlobRoute } from '#http/router.ts'
import { mayRedirect } from '#http/may-redirect.ts'
import { sendBlob } from '#http/send-blob.ts'
import type { Digest } from '#oci/digest.ts'
import { deleteBlob } from '#registry/delete-blob.ts'
import { pullBlob, statBlob } from '#registry/pull-blob.ts'

/** `/v2/<name>/blobs/<digest>`: GET and HEAD (end-2), DELETE (end-10). */
export const blob: Endpoint<BlobRoute> = {
  name: 'blob',
  operations: {
    GET: { demand: 'repository:pull', kind: 'read', run: getBlob },
    HEAD: { demand: 'repository:pull', kind: 'read', run: headBlob },
    DELETE: { demand: 'manifest:delete', kind: 'delete', run: removeBlob },
  },
}

function blobHeaders(exchange: Exchange, digest: Digest): HeaderList {
  return ['Docker-Content-Digest', digest, 'ETag', `"${digest}"`, 'Accept-Ranges', 'bytes', ...cacheForEver(exchange)]
}

async function getBlob(exchange: Exchange, { repository, digest }: BlobRoute): Promise<void> {
  const { registry } = exchange.site.parts
  const headers = blobHeaders(exchange, digest)
  if (matchesNone(exchange.request.headers['if-none-match'], digest)) {
    // Only who may have the blob is told that theirs is still good.
    await statBlob(registry, repository, digest, actorOf(exchange))
    respond(exchange, 304, headers)
    return
  }
  const direct = !mayRedirect(exchange, digest)
  const content = await pullBlob(registry, repository, digest, { ...actorOf(exchange), direct })
  try {
    if (content.body.kind === 'redirect') {
      respond(exchange, 307, ['Location', content.body.url, 'Docker-Content-Digest', digest, 'Cache-Control', 'no-store'])
    } else {
      await sendBlob(exchange, content, headers)
    }
  } catch (error) {
    await content.readFailed(error)
    throw error
  } finally {
    await content.close()
  }
}

async function headBlob(exchange: Exchange, { repository, digest }: BlobRoute): Promise<void> {
  const { sizeBytes } = await statBlob(exchange.site.parts.registry, repository, digest, actorOf(exchange))
  const headers = blobHeaders(exchange, digest)
  if (matchesNone(exchange.request.headers['if-none-match'], digest)) {
    respond(exchange, 304, headers)
    return
  }
  beginResponse(exchange, 200, ['Content-Type', 'application/octet-stream', 'Content-Length', String(sizeBytes), ...headers])
  endResponse(exchange)
}

async function removeBlob(exchange: Exchange, { repository, digest }: BlobRoute): Promise<void> {
  await deleteBlob(exchange.site.parts.registry, repository, digest, actorOf(exchange))
  respond(exchange, 202, [])
}
