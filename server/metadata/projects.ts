/** Queries on `projects`. */
import type { Reader, Transactor } from './metadata.ts'

/** A project. Exactly one is the default, which takes the repositories that no other project's name fits. */
export interface ProjectRow {
  readonly id: number
  readonly name: string
  readonly isDefault: boolean
}

/** Those of the named projects that exist, and the default project in any case. At most 1,000 names. */
export async function projectsNamedOrDefault(reader: Reader | Transactor, names: readonly string[]): Promise<ProjectRow[]> {
  const rows = await reader
    .selectFrom('projects')
    .select(['id', 'name', 'is_default'])
    .where((eb) => eb.or([eb('is_default', '=', 1), ...(names.length > 0 ? [eb('name', 'in', names)] : [])]))
    .execute()
  return rows.map((row) => ({ id: row.id, name: row.name, isDefault: row.is_default === 1 }))
}

/** Adds a project; `'exists'` when the name is taken. */
export async function insertProject(tx: Transactor, project: { readonly name: string; readonly at: number }): Promise<number | 'exists'> {
  const row = await tx
    .insertInto('projects')
    .values({ name: project.name, is_default: 0, created_at: project.at })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id ?? 'exists'
}
