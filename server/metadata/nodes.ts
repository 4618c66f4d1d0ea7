/**
 * The table `nodes`: who serves on this database. All instants in it are of the database's clock, the one that all nodes have in common, so that a node whose
 * own clock is wrong is neither silent nor alive by that.
 */
import { sql, type RawBuilder } from 'kysely'
import { dialectOf } from './dialect.ts'
import type { Reader, Transactor } from './metadata.ts'

/** A node that was not heard of for so long is taken for dead: three of its beats. Milliseconds, as all here. */
const nodeSilentMs = 35_000
/** The row of a dead node is kept so long for people to see. */
const nodeKeptMs = 24 * 60 * 60 * 1_000
/** Clocks that differ by more are worth a look: tokens allow for a minute. */
const clockToleranceMs = 5_000
/** More rows than anybody has nodes. */
const nodesMax = 1_000

/** What a node says of itself. */
export interface NodeFacts {
  readonly nodeId: string
  readonly name: string
  readonly address: string
  readonly processId: number
  readonly version: string
  readonly schemaVersion: string
  readonly clockOffsetMs: number | null
  readonly isDraining: boolean
}

/** A node as its row tells. */
export interface Node extends NodeFacts {
  readonly startedAt: number
  readonly seenAt: number
  readonly state: 'serving' | 'draining' | 'silent'
}

function databaseNow(db: Reader | Transactor): RawBuilder<number> {
  if (dialectOf(db) === 'sqlite') return sql<number>`cast(unixepoch('subsec') * 1000 as integer)`
  return sql<number>`floor(extract(epoch from clock_timestamp()) * 1000)::bigint`
}

/** The database's clock. */
export async function readDatabaseClock(reader: Reader): Promise<number> {
  const { rows } = await sql<{ readonly now: number }>`select ${databaseNow(reader)} as now`.execute(reader)
  return Number(rows[0]?.now)
}

/** A sign of life: makes the row, or brings it up to date. */
export async function putNode(tx: Transactor, facts: NodeFacts): Promise<void> {
  const now = databaseNow(tx)
  const changing = { seen_at: now, clock_offset_ms: facts.clockOffsetMs, is_draining: facts.isDraining ? 1 : 0 }
  const { nodeId, name, address, processId, version, schemaVersion } = facts
  await tx
    .insertInto('nodes')
    .values({
      node_id: nodeId,
      name,
      address,
      process_id: processId,
      version,
      schema_version: schemaVersion,
      started_at: now,
      ...changing,
    })
    .onConflict((conflict) => conflict.column('node_id').doUpdateSet(changing))
    .execute()
}

/** Takes the row of a node that ends in good order. */
export async function deleteNode(tx: Transactor, nodeId: string): Promise<void> {
  await tx.deleteFrom('nodes').where('node_id', '=', nodeId).execute()
}

/** Of {@link deleteDeadNodes}. */
export interface DeadNodes extends Pick<NodeFacts, 'nodeId' | 'name' | 'address'> {
  /** Nobody else can listen where this node does: who did is dead, however late it was heard of. */
  readonly isAlone: boolean
}

/** Takes the rows of those in whose place this node is, and of those that have been dead for long. */
export async function deleteDeadNodes(tx: Transactor, { nodeId, name, address, isAlone }: DeadNodes): Promise<void> {
  const before = (ms: number) => sql<number>`${databaseNow(tx)} - ${sql.lit(ms)}`
  await tx
    .deleteFrom('nodes')
    .where('node_id', '!=', nodeId)
    .where((eb) =>
      eb.or([
        eb('seen_at', '<', before(nodeKeptMs)),
        eb.and([eb('name', '=', name), eb('address', '=', address), ...(isAlone ? [] : [eb('seen_at', '<', before(nodeSilentMs))])]),
      ]),
    )
    .execute()
}

/** All nodes, by name, address and age. */
export async function listNodes(reader: Reader): Promise<readonly Node[]> {
  const rows = await reader
    .selectFrom('nodes')
    .selectAll()
    .select(databaseNow(reader).as('now'))
    .orderBy('name')
    .orderBy('address')
    .orderBy('id')
    .limit(nodesMax)
    .execute()
  return rows.map((row) => ({
    nodeId: row.node_id,
    name: row.name,
    address: row.address,
    processId: row.process_id,
    version: row.version,
    schemaVersion: row.schema_version,
    startedAt: row.started_at,
    seenAt: row.seen_at,
    clockOffsetMs: row.clock_offset_ms,
    isDraining: row.is_draining === 1,
    state: row.now - row.seen_at > nodeSilentMs ? 'silent' : row.is_draining === 1 ? 'draining' : 'serving',
  }))
}

/** What is wrong with the nodes as a whole, a sentence each that says what to do. */
export function nodeWarnings(nodes: readonly Node[]): string[] {
  const called = ({ name, address, processId }: Node) => `${name}, ${address}, process ${processId}`
  const alive = nodes.filter(({ state }) => state !== 'silent')
  const silent = nodes
    .filter(({ state }) => state === 'silent')
    .map(
      (node) =>
        `a node was not heard of since ${new Date(node.seenAt).toISOString()} (${called(node)}): it was killed, or does not reach the database`,
    )
  const versions = [...new Set(alive.map(({ version, schemaVersion }) => `${version} with schema ${schemaVersion}`))].toSorted()
  const mixed =
    versions.length > 1 ? [`nodes of different versions serve (${versions.join('; ')}): bring all to one when the upgrade is over`] : []
  const clocks = alive.flatMap((node) => {
    const offset = node.clockOffsetMs ?? 0
    if (Math.abs(offset) <= clockToleranceMs) return []
    const seconds = Math.round(Math.abs(offset) / 1000)
    return [`a node's clock is ${seconds} s ${offset > 0 ? 'ahead of' : 'behind'} the database's (${called(node)}): set both right (NTP)`]
  })
  return [...silent, ...mixed, ...clocks]
}
