/**
 * What a policy of retention would do is shown before it does it; so what it was shown to do is out of date when repositories come to lie below it, or leave what
 * kept their tags. What changes a keeper itself is `outdatePolicies` (retention-policies.ts).
 */
import { sql, type SqlBool } from 'kysely'
import { inChunks } from './in-chunks.ts'
import type { Transactor } from './metadata.ts'
import { belowPrefix, prefixesOf } from './name-prefixes.ts'
import { matchesGlob, parseGlob } from './repository-glob.ts'

interface Named {
  readonly id: number
  readonly name: string
}

/** Where policies and immutable tag rules are kept. */
const keeperTables = ['retention_policies', 'immutable_rules'] as const

/** A repository has come to this name, of that project: policies that are about it judge it now, with other keepers than before. */
export async function outdatePoliciesOver(
  tx: Transactor,
  { repository, projectId }: { readonly repository: string; readonly projectId: number },
): Promise<void> {
  const above = prefixesOf(repository)
  const policies = await tx
    .selectFrom('retention_policies')
    .select(['id', 'repositories'])
    .where((eb) =>
      eb.or([
        eb('project_id', '=', projectId),
        ...(above.length > 0 ? [eb('project_id', 'in', tx.selectFrom('projects').select('id').where('name', 'in', above))] : []),
      ]),
    )
    .execute()
  const reaching = policies.filter(({ repositories }) => {
    const glob = parseGlob(repositories)
    return glob !== undefined && matchesGlob(glob, repository)
  })
  for (const chunk of inChunks(reaching.map(({ id }) => id)))
    await tx
      .updateTable('retention_policies')
      .set({ revision: sql<number>`revision + 1` })
      .where('id', 'in', chunk)
      .execute()
}

/** Whether anything that is on in the project or below it keeps tags from policies: a policy, or an immutable tag rule. */
export function hasKeepers(tx: Transactor, project: Named): Promise<boolean> {
  return hasKeeper(tx, project, sql<SqlBool>`keeper.is_enabled = 1`)
}

/**
 * Whether a keeper of the project or of one below it may mean other repositories once the project has another name: its glob is neither about all of them nor begins with
 * the name, which a rename rewrites.
 */
export function hasLooseGlobs(tx: Transactor, project: Named): Promise<boolean> {
  return hasKeeper(tx, project, sql<SqlBool>`keeper.repositories <> '**' and not ${belowPrefix('keeper.repositories', project.name)}`)
}

async function hasKeeper(tx: Transactor, { id, name }: Named, condition: ReturnType<typeof sql<SqlBool>>): Promise<boolean> {
  for (const table of keeperTables) {
    const { rows } = await sql<{ id: number }>`select keeper.id from ${sql.table(table)} keeper join projects p on p.id = keeper.project_id
      where (p.id = ${id} or ${belowPrefix('p.name', name)}) and ${condition} limit 1`.execute(tx)
    if (rows.length > 0) return true
  }
  return false
}
