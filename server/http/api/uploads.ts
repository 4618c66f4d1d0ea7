/** Serves api/routes/uploads.ts. */
import * as routes from '#api/routes/uploads.ts'
import { visibleHere } from '#http/gate.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import { cancelUpload } from '#registry/cancel-upload.ts'
import { repositoryExists } from '#registry/find-repository.ts'
import { listUploads, type ListedUpload } from '#registry/list-uploads.ts'
import { instantOf, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

const sorts = { updatedAt: 'number' } as const

function uploadBody(row: ListedUpload) {
  return {
    id: row.uploadId,
    repository: row.repository,
    actor: row.actor,
    offsetBytes: row.offsetBytes,
    isReceiving: row.isReceiving,
    startedAt: instantOf(row.startedAt),
    updatedAt: instantOf(row.updatedAt),
  }
}

/** Uploads in flight. */
export const uploadRoutes: readonly ServedRoute[] = [
  serve(routes.listUploads, async ({ parts, exchange, principal, page }) => {
    const visibility = await visibleHere(exchange, principal, 'upload:list')
    return { body: pageBody(await listUploads(parts.registry, visibility, { page: sortedPage(page, sorts) }), uploadBody) }
  }),
  serve(routes.listRepositoryUploads, async ({ parts, repository, page }) => {
    // The right to them is the route's demand; no other repository is asked about.
    const wanted = { repository, page: sortedPage(page, sorts) }
    const found = await listUploads(parts.registry, { kind: 'everything' }, wanted)
    // The first upload to a repository comes before the repository does.
    if (found.items.length === 0 && !(await repositoryExists(parts.registry, repository))) throw resourceUnknown('repository', repository)
    return { body: pageBody(found, uploadBody) }
  }),
  serve(routes.cancelUpload, async ({ parts, repository, params, who }) => {
    await cancelUpload(parts.registry, repository, params.upload, who)
  }),
]
