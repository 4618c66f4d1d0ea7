/** Serves api/routes/nodes.ts. */
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/nodes.ts'
import { readNodes } from '#features/nodes-list.ts'
import { instantOf } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'

type Found = Awaited<ReturnType<typeof readNodes>>['nodes'][number]

function present(node: Found): ResponseOf<typeof routes.listNodes>['items'][number] {
  const { name, address, processId, state, version, schemaVersion, clockOffsetMs } = node
  return {
    name,
    address,
    processId,
    state,
    version,
    schemaVersion,
    startedAt: instantOf(node.startedAt),
    seenAt: instantOf(node.seenAt),
    clockOffsetMs,
  }
}

/** Served by the app. */
export const nodeRoutes: readonly ServedRoute[] = [
  serve(routes.listNodes, async ({ parts }) => {
    const { nodes, warnings } = await readNodes(parts.registry.metadata)
    return { body: { items: nodes.map(present), warnings: [...warnings] } }
  }),
]
