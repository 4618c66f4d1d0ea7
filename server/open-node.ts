/** The row of this process among the nodes, with its figures: begun when the listener answers. */
import { hostname } from 'node:os'
import { startNodeHeart, type NodeHeart } from '#features/nodes.ts'
import { readNodes } from '#features/nodes-list.ts'
import { watchNodes } from '#lib/node-metrics.ts'
import { programVersion } from '#lib/version.ts'
import { allMigrations } from '#metadata/migrations/all.ts'
import type { Berth } from './main.ts'

/** `isAlone`: no other process listens at this address. */
export function openNode({ registry, metrics, context }: Berth, address: string, isAlone: boolean): NodeHeart {
  const { metadata } = registry
  const heart = startNodeHeart(
    { metadata, ...context },
    {
      name: hostname(),
      address,
      processId: process.pid,
      version: programVersion(),
      schemaVersion: Object.keys(allMigrations).toSorted().at(-1) ?? '',
      isAlone,
    },
  )
  watchNodes(metrics.registry, {
    states: async () => (await readNodes(metadata)).nodes.map(({ state }) => state),
    clockOffsetMs: () => heart.clockOffsetMs,
  })
  return heart
}
