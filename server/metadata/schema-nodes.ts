/** The table of processes that serve. See schema.ts for what all tables share. */
import type { Generated } from 'kysely'

/** One that serves on this database, by its own signs of life. Instants are milliseconds of the database's clock. */
export interface NodesTable {
  id: Generated<number>
  /** Of the process, drawn at its start. */
  node_id: string
  /** Of the machine. */
  name: string
  /** Where it listens. */
  address: string
  process_id: number
  version: string
  /** The newest migration that its program knows. */
  schema_version: string
  started_at: number
  seen_at: number
  /** By how much its own clock is ahead of the database's; null where that could not be told. */
  clock_offset_ms: number | null
  /** 1: it ends, and takes no more requests from a balancer. */
  is_draining: number
}
