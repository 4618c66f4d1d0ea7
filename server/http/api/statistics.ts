/** Serves api/routes/statistics.ts. */
import type { QueryOf } from '#api/contract.ts'
import * as routes from '#api/routes/statistics.ts'
import { readStatistics, type StatisticsPoint, type StatisticsSeries } from '#features/statistics.ts'
import type { HttpParts } from '#http/exchange.ts'
import { instantOf } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'

async function seriesOf(
  { registry, ports }: HttpParts,
  projectId: number,
  { step = 'hour', from, to }: QueryOf<typeof routes.readStatistics>,
): Promise<StatisticsSeries> {
  const asked = { from: from === undefined ? undefined : Date.parse(from), to: to === undefined ? undefined : Date.parse(to) }
  return await readStatistics(registry, { projectId, step, ...asked, now: ports.clock.now() })
}

function framed<Item>({ step, from, to, points }: StatisticsSeries, itemOf: (point: StatisticsPoint) => Item) {
  return { body: { step, from: instantOf(from), to: instantOf(to), items: points.map(itemOf) } }
}

function projectItem({ at, pulls, pushes, errors, bytes, logicalBytes }: StatisticsPoint) {
  return { at: instantOf(at), pulls, pushes, errors, storedBytes: bytes, logicalBytes }
}

function systemItem(point: StatisticsPoint) {
  const { requests, reclaimableBytes, latencyMs } = point
  return { ...projectItem(point), requests, reclaimableBytes, latencyP50Ms: rounded(latencyMs.p50), latencyP99Ms: rounded(latencyMs.p99) }
}

function rounded(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 100) / 100
}

/** Statistics over time. */
export const statisticsRoutes: readonly ServedRoute[] = [
  serve(routes.readStatistics, async ({ parts, query }) => framed(await seriesOf(parts, 0, query), systemItem)),
  serve(routes.readProjectStatistics, async ({ parts, query, project }) => framed(await seriesOf(parts, project.id, query), projectItem)),
]
