/** What a decision reads of projects: which one owns a name, what stands above it and below it. */
import { sql, type SqlBool } from 'kysely'
import type { Reader } from './metadata.ts'
import { prepare } from './prepared.ts'

/** A project, as far as rights are concerned. */
export interface ProjectFactsRow {
  readonly id: number
  readonly name: string
  readonly isPublic: boolean
  readonly isDefault: boolean
}

/** Those of the names that are projects, and the default project in any case. At most 1,000 names. */
export async function projectFactsNamedOrDefault(reader: Reader, names: readonly string[]): Promise<readonly ProjectFactsRow[]> {
  const rows = await reader
    .selectFrom('projects')
    .select(['id', 'name', 'is_public', 'is_default'])
    .where((eb) => eb.or([eb('is_default', '=', 1), ...(names.length > 0 ? [eb('name', 'in', names)] : [])]))
    .execute()
  return rows.map((row) => ({ id: row.id, name: row.name, isPublic: row.is_public === 1, isDefault: row.is_default === 1 }))
}

const anyRedirect = prepare<Record<never, never>, { id: number }>((db) => db.selectFrom('name_redirects').select('id').limit(1))

/** Most registries have none, and then no name need be looked up. */
export async function hasRedirects(reader: Reader): Promise<boolean> {
  return (await anyRedirect(reader, {})).length > 0
}

/** The given projects and all below them, by name. */
export async function projectsBelow(reader: Reader, ids: readonly number[]): Promise<readonly number[]> {
  if (ids.length === 0) return []
  // `0` is the character after `/`: the range is all names that begin with the project's and a slash.
  const isBelow = sql<SqlBool>`p.name > g.name || '/' and p.name < g.name || '0'`
  const rows = await reader
    .selectFrom('projects as g')
    .innerJoin('projects as p', (join) => join.on(sql<SqlBool>`(p.id = g.id or (${isBelow}))`))
    .select('p.id')
    .distinct()
    .where('g.id', 'in', ids)
    .execute()
  return rows.map((row) => row.id)
}
