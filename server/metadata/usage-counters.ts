/**
 * The tables `usage_changes` and `usage_totals`: what is counted of a repository, a project or everything.
 *
 * The problem: usage is exact after every change, and a thousand pushes into one project must not queue on one row. The way: every change adds rows of its
 * own and updates none; now and then they are folded into one row a scope. What is used is the total and what was not folded yet.
 */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import { later } from './together.ts'

/** What is counted. Sizes in bytes. */
export interface Usage {
  /** Each blob once, and the documents of manifests. */
  readonly bytes: number
  /** Of `bytes`, those of documents. */
  readonly manifestBytes: number
  /** As if nothing were shared: each manifest with all its blobs. */
  readonly logicalBytes: number
  readonly blobs: number
  readonly manifests: number
  readonly tags: number
  readonly repositories: number
}

/** Differences; what is left out is 0. */
export type UsageDelta = Partial<Usage>

/** What is counted: a repository or a project by id, or all there is (`id` 0). */
export interface UsageScope {
  readonly scope: 'repository' | 'project' | 'system'
  readonly id: number
}

/** All there is. */
export const systemScope: UsageScope = { scope: 'system', id: 0 }

/** Nothing. */
export const noUsage: Usage = { bytes: 0, manifestBytes: 0, logicalBytes: 0, blobs: 0, manifests: 0, tags: 0, repositories: 0 }

/** The counters with their columns, in the order of the columns. */
export const counters = [
  ['bytes', 'bytes'],
  ['manifestBytes', 'manifest_bytes'],
  ['logicalBytes', 'logical_bytes'],
  ['blobs', 'blobs'],
  ['manifests', 'manifests'],
  ['tags', 'tags'],
  ['repositories', 'repositories'],
] as const

/** The counters of a row of either table. */
export type CounterColumns = Readonly<Record<(typeof counters)[number][1], number>>

/** A row's counters; sums over no rows are null. */
export function usageOf(row: Readonly<Record<(typeof counters)[number][1], number | string | null>>): Usage {
  return Object.fromEntries(counters.map(([member, column]) => [member, Number(row[column] ?? 0)])) as unknown as Usage
}

/** The columns of a difference. */
export function columnsOf(delta: UsageDelta): CounterColumns {
  return Object.fromEntries(counters.map(([member, column]) => [column, delta[member] ?? 0])) as unknown as CounterColumns
}

/** One after the other. */
export function addUsage(one: UsageDelta, other: UsageDelta): Usage {
  return Object.fromEntries(counters.map(([member]) => [member, (one[member] ?? 0) + (other[member] ?? 0)])) as unknown as Usage
}

/** As much less. */
export function negative(delta: UsageDelta): Usage {
  return Object.fromEntries(counters.map(([member]) => [member, -(delta[member] ?? 0)])) as unknown as Usage
}

interface ChangeParams extends CounterColumns {
  readonly scope: UsageScope['scope']
  readonly scope_id: number
}

const columns = ['scope', 'scope_id', ...counters.map(([, column]) => column)] as const

/** So many rows in one statement: of a repository, its project, one above that, and all there is. */
const rowsMax = 4

const insertChanges = Array.from({ length: rowsMax }, (_, last) =>
  prepare<Record<string, unknown>, never>((db, param) =>
    db
      .insertInto('usage_changes')
      .values(
        Array.from(
          { length: last + 1 },
          (__, row) => Object.fromEntries(columns.map((column) => [column, param(`${column}${row}`)])) as unknown as ChangeParams,
        ),
      ),
  ),
)

/** A difference of one scope. */
export interface UsageChange {
  readonly scope: UsageScope
  readonly delta: UsageDelta
}

/** Adds a difference to a scope; nothing when there is none. */
export async function addChange(tx: Transactor, scope: UsageScope, delta: UsageDelta): Promise<void> {
  await addChanges(tx, [{ scope, delta }])
}

/** Adds differences, those that are any, as soon as the transaction commits. */
export async function addChanges(tx: Transactor, changes: readonly UsageChange[]): Promise<void> {
  const some = changes.filter(({ delta }) => counters.some(([member]) => (delta[member] ?? 0) !== 0))
  for (let first = 0; first < some.length; first += rowsMax) {
    const rows = some.slice(first, first + rowsMax)
    const values: Record<string, unknown> = {}
    for (const [row, { scope, delta }] of rows.entries()) {
      const change: ChangeParams = { scope: scope.scope, scope_id: scope.id, ...columnsOf(delta) }
      for (const column of columns) values[`${column}${row}`] = change[column]
    }
    const insert = insertChanges[rows.length - 1]
    if (insert !== undefined) await later(tx, insert(tx, values))
  }
}

const sums = sql<CounterColumns>`sum(bytes) as bytes, sum(manifest_bytes) as manifest_bytes, sum(logical_bytes) as logical_bytes,
  sum(blobs) as blobs, sum(manifests) as manifests, sum(tags) as tags, sum(repositories) as repositories`

const summed = prepare<{ scope: string; id: number }, CounterColumns>((db, param) => ({
  compile: () =>
    sql<CounterColumns>`
    select ${sums} from (
      select * from usage_totals where scope = ${param('scope')} and scope_id = ${param('id')}
      union all select * from usage_changes where scope = ${param('scope')} and scope_id = ${param('id')}) as counted`.compile(db),
}))

/** What is used now, as of this transaction. */
export async function usageIn(reader: Reader | Transactor, { scope, id }: UsageScope): Promise<Usage> {
  const [row] = await summed(reader, { scope, id })
  return row === undefined ? noUsage : usageOf(row)
}

/** What each of these scopes uses; those without any are left out. */
export async function usagesIn(
  reader: Reader | Transactor,
  scope: UsageScope['scope'],
  ids: readonly number[],
): Promise<Map<number, Usage>> {
  if (ids.length === 0) return new Map()
  const list = sql.join(ids)
  const { rows } = await sql<CounterColumns & { scope_id: number }>`
    select scope_id, ${sums} from (
      select * from usage_totals where scope = ${scope} and scope_id in (${list})
      union all select * from usage_changes where scope = ${scope} and scope_id in (${list})) as counted
    group by scope_id`.execute(reader)
  return new Map(rows.map((row) => [Number(row.scope_id), usageOf(row)]))
}

/** Before the row of a repository or project goes: its numbers go too. */
export async function forgetUsage(tx: Transactor, { scope, id }: UsageScope): Promise<void> {
  for (const table of ['usage_changes', 'usage_totals'] as const)
    await tx.deleteFrom(table).where('scope', '=', scope).where('scope_id', '=', id).execute()
}
