/** Folds `usage_changes` into `usage_totals`: what is used stays the same, and reading it costs one row again. */
import { sql } from 'kysely'
import { numberList } from './dialect.ts'
import type { Reader, Transactor } from './metadata.ts'
import { addUsage, columnsOf, noUsage, usageOf, type CounterColumns, type Usage, type UsageScope } from './usage-counters.ts'

/** What was folded. */
export interface Folded {
  /** Rows; as many as the limit: there may be more. */
  readonly changes: number
  /** Whose numbers changed. */
  readonly projectIds: readonly number[]
}

interface Sum extends UsageScope {
  readonly usage: Usage
}

/**
 * Folds up to `limit` changes, the oldest first. Exact whoever writes meanwhile: what is added to the totals are the rows that this transaction deleted.
 * Numbers of repositories and projects that are gone go too.
 */
export async function foldChanges(tx: Transactor, limit: number): Promise<Folded> {
  const { rows } = await sql<CounterColumns & { scope: UsageScope['scope']; scope_id: number }>`
    delete from usage_changes where id in (select id from usage_changes order by id limit ${limit}) returning *`.execute(tx)
  const sums = new Map<string, Sum>()
  for (const row of rows) {
    const key = `${row.scope}:${row.scope_id}`
    sums.set(key, { scope: row.scope, id: row.scope_id, usage: addUsage(sums.get(key)?.usage ?? noUsage, usageOf(row)) })
  }
  for (const scope of ['repository', 'project'] as const) await forgetGone(tx, scope, sums)
  for (const sum of sums.values()) await addToTotal(tx, sum)
  return { changes: rows.length, projectIds: [...sums.values()].filter(({ scope }) => scope === 'project').map(({ id }) => id) }
}

async function forgetGone(tx: Transactor, scope: 'repository' | 'project', sums: Map<string, Sum>): Promise<void> {
  const ids = [...sums.values()].filter((sum) => sum.scope === scope).map(({ id }) => id)
  if (ids.length === 0) return
  const table = sql.table(scope === 'repository' ? 'repositories' : 'projects')
  const { rows } = await sql<{ id: number }>`select id from ${table} where id in ${numberList(tx, ids)}`.execute(tx)
  const there = new Set(rows.map(({ id }) => id))
  const gone = ids.filter((id) => !there.has(id))
  if (gone.length === 0) return
  for (const id of gone) sums.delete(`${scope}:${id}`)
  await sql`delete from usage_totals where scope = ${scope} and scope_id in ${numberList(tx, gone)}`.execute(tx)
}

async function addToTotal(tx: Transactor, { scope, id, usage }: Sum): Promise<void> {
  const values = { scope, scope_id: id, ...columnsOf(usage) }
  await tx
    .insertInto('usage_totals')
    .values(values)
    .onConflict((conflict) =>
      conflict.columns(['scope', 'scope_id']).doUpdateSet((eb) => ({
        bytes: eb('usage_totals.bytes', '+', eb.ref('excluded.bytes')),
        manifest_bytes: eb('usage_totals.manifest_bytes', '+', eb.ref('excluded.manifest_bytes')),
        logical_bytes: eb('usage_totals.logical_bytes', '+', eb.ref('excluded.logical_bytes')),
        blobs: eb('usage_totals.blobs', '+', eb.ref('excluded.blobs')),
        manifests: eb('usage_totals.manifests', '+', eb.ref('excluded.manifests')),
        tags: eb('usage_totals.tags', '+', eb.ref('excluded.tags')),
        repositories: eb('usage_totals.repositories', '+', eb.ref('excluded.repositories')),
      })),
    )
    .execute()
}

/** Whether there is anything to fold. */
export async function hasChanges(reader: Reader): Promise<boolean> {
  return (await reader.selectFrom('usage_changes').select('id').limit(1).executeTakeFirst()) !== undefined
}
