/** Migration 15: what happened in each hour, and later in each day, to show how it went. */
import type { Kysely } from 'kysely'
import { builderFor, create } from './builder.ts'

/** Makes `statistics` (metadata/statistics.ts). Its projects are numbers, not references: what happened stays when a project goes. */
export async function createStatistics(db: Kysely<unknown>): Promise<void> {
  const builder = builderFor(db)
  await create(builder, 'statistics', {
    project_id: 'int64',
    step: 'text',
    at: 'int64',
    node: 'text',
    pulls: 'int64',
    pushes: 'int64',
    requests: 'int64',
    errors: 'int64',
    latencies: 'text',
    bytes: 'int64?',
    logical_bytes: 'int64?',
    reclaimable_bytes: 'int64?',
  })
  await builder.index('statistics', ['project_id', 'step', 'at', 'node'], 'unique')
  await builder.index('statistics', ['step', 'at', 'project_id'])
}
