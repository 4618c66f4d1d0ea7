/** Serves api/routes/quotas.ts. */
import * as routes from '#api/routes/quotas.ts'
import { defaultWarnPercent, listQuotas, readQuota, setQuota, type ProjectQuota } from '#projects/quotas.ts'
import { readProjectUsage, readRepositoryUsage, readSystemUsage, type UsageAnswer } from '#projects/read-usage.ts'
import { instantOf, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

function countersOf({ bytes, logicalBytes, blobs, manifests, tags, repositories }: ProjectQuota['used']) {
  return { bytes, logicalBytes, blobs, manifests, tags, repositories }
}

function quotaBody({ used, warnedAt, updatedAt, ...quota }: ProjectQuota) {
  const instants = {
    warnedAt: { bytes: orNull(warnedAt.bytes), repositories: orNull(warnedAt.repositories), tags: orNull(warnedAt.tags) },
    updatedAt: orNull(updatedAt),
  }
  return { ...quota, used: countersOf(used), ...instants }
}

function orNull(at: number | undefined) {
  return at === undefined ? null : instantOf(at)
}

function answerWith(quota: ProjectQuota) {
  return { body: quotaBody(quota), version: quota.version }
}

function usageBody(usage: UsageAnswer) {
  return { body: { ...countersOf(usage), isExact: usage.isExact } }
}

/** Limits and usage. */
export const quotaRoutes: readonly ServedRoute[] = [
  serve(routes.listQuotas, async ({ parts, page }) => ({
    body: pageBody(await listQuotas(parts.directory, sortedPage(page, { project: 'text' })), quotaBody),
  })),
  serve(routes.readQuota, async ({ parts, project }) => answerWith(await readQuota(parts.directory, project))),
  serve(routes.replaceQuota, async ({ parts, project, body, ifMatch, who }) => {
    const { bytesMax = null, repositoriesMax = null, tagsMax = null, warnPercent = defaultWarnPercent } = body
    const limits = { bytesMax, repositoriesMax, tagsMax, warnPercent }
    return answerWith(await setQuota(parts.directory, { projectId: project.id, limits, expectedVersion: ifMatch }, who))
  }),
  serve(routes.deleteQuota, async ({ parts, project, ifMatch, who }) => {
    await setQuota(parts.directory, { projectId: project.id, limits: undefined, expectedVersion: ifMatch }, who)
  }),
  serve(routes.readProjectUsage, async ({ parts, project }) => usageBody(await readProjectUsage(parts.directory, project.id))),
  serve(routes.readRepositoryUsage, async ({ parts, repository }) => usageBody(await readRepositoryUsage(parts.directory, repository))),
  serve(routes.readSystemUsage, async ({ parts }) => usageBody(await readSystemUsage(parts.directory))),
]
