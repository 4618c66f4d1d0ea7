/** Migration 9: which processes serve on this database. */
import type { Kysely } from 'kysely'
import { builderFor, create } from './builder.ts'

/** Creates the table of nodes. */
export async function createNodes(db: Kysely<unknown>): Promise<void> {
  const builder = builderFor(db)
  await create(builder, 'nodes', {
    node_id: 'text',
    name: 'text',
    address: 'text',
    process_id: 'int64',
    version: 'text',
    schema_version: 'text',
    started_at: 'int64',
    seen_at: 'int64',
    clock_offset_ms: 'int64?',
    is_draining: 'int64',
  })
  await builder.index('nodes', ['node_id'], 'unique')
}
