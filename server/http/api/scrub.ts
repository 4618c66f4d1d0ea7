/** Serves api/routes/scrub.ts. */
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/scrub.ts'
import { listScrubFindings, readScrubStatus, startDeletingOrphans, startScrub, type ScrubStatus } from '#features/scrub-status.ts'
import { RegistryError } from '#oci/errors.ts'
import { instantOf, instantOrNull, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

type FindingRow = Awaited<ReturnType<typeof listScrubFindings>>['items'][number]
type Status = ResponseOf<typeof routes.readScrub>

function findingBody({ id, kind, store, key, digest, sizeBytes, detail, ...row }: FindingRow) {
  return {
    id,
    kind,
    store,
    key,
    sizeBytes,
    detail,
    ...(digest !== undefined && { digest }),
    foundAt: instantOf(row.foundAt),
    seenAt: instantOf(row.seenAt),
    resolvedAt: instantOrNull(row.resolvedAt),
  }
}

function lastBody(last: ScrubStatus['last']): Status['last'] {
  if (last === undefined) return null
  const { startedAt, endedAt, sample, counts } = last
  const found = Object.values(counts.found).reduce((sum, count) => sum + count, 0)
  return { ...counts, found, sample, startedAt: instantOf(startedAt), endedAt: instantOf(endedAt) }
}

function statusBody({ last, current, nextAt, findings }: ScrubStatus): Status {
  return {
    last: lastBody(last),
    current: current === undefined ? null : { job: current.jobId, state: current.state },
    nextAt: instantOrNull(nextAt),
    findings: [...findings],
  }
}

/** Scrub. */
export const scrubRoutes: readonly ServedRoute[] = [
  serve(routes.readScrub, async ({ parts }) => ({ body: statusBody(await readScrubStatus(parts.registry)) })),
  serve(routes.listScrubFindings, async ({ parts, query, page }) => {
    const filter = { kind: query.kind, isResolved: query.resolved === true }
    const found = await listScrubFindings(parts.registry, filter, sortedPage(page, { foundAt: 'number' }))
    return { body: pageBody(found, findingBody) }
  }),
  serve(routes.startScrub, async ({ parts, body: { full, sample }, who }) => {
    if (full === true && sample !== undefined)
      throw new RegistryError('REQUEST_INVALID', { full, sample }, { message: 'full and sample exclude each other' })
    const { jobId, isNew } = await startScrub(parts.registry, { sample: full === true ? 100 : sample }, who)
    return { body: { job: jobId, isNew } }
  }),
  serve(routes.deleteOrphans, async ({ parts, who }) => {
    const { jobId, isNew } = await startDeletingOrphans(parts.registry, who)
    return { body: { job: jobId, isNew } }
  }),
]
