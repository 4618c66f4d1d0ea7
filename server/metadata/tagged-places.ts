/** Repositories and tags of a place: of one repository, or of a project with all that lies below its name. */
import type { RepositoryName } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'
import { belowPrefix } from './name-prefixes.ts'

/** One repository by its name, or everything below the name of a project. */
export interface NamedPlace {
  readonly kind: 'repository' | 'project'
  readonly name: string
}

/** A repository and whose it is. */
export interface PlacedRepository {
  readonly id: number
  readonly name: RepositoryName
  readonly projectId: number
}

/** The repositories that are there, in the order of their names. */
export async function repositoriesAt(reader: Reader | Transactor, place: NamedPlace): Promise<PlacedRepository[]> {
  const rows = await reader
    .selectFrom('repositories as r')
    .select(['r.id', 'r.name', 'r.project_id'])
    .where((eb) => (place.kind === 'repository' ? eb('r.name', '=', place.name) : belowPrefix('r.name', place.name)))
    .orderBy('r.name')
    .execute()
  return rows.map((row) => ({ id: row.id, name: row.name as RepositoryName, projectId: row.project_id }))
}

/** The id of the newest tag of all; 0: there is none. */
export async function newestTagId(reader: Reader | Transactor): Promise<number> {
  const row = await reader.selectFrom('tags').select('id').orderBy('id', 'desc').limit(1).executeTakeFirst()
  return row?.id ?? 0
}

/** The tags there that were made after the one of that id, with their repositories. */
export async function tagsAtSince(
  reader: Reader | Transactor,
  place: NamedPlace,
  tagId: number,
): Promise<(PlacedRepository & { readonly tag: string })[]> {
  const rows = await reader
    .selectFrom('tags as t')
    .innerJoin('repositories as r', 'r.id', 't.repository_id')
    .select(['r.id', 'r.name', 'r.project_id', 't.name as tag'])
    .where('t.id', '>', tagId)
    .where((eb) => (place.kind === 'repository' ? eb('r.name', '=', place.name) : belowPrefix('r.name', place.name)))
    .orderBy('t.id')
    .execute()
  return rows.map((row) => ({ id: row.id, name: row.name as RepositoryName, projectId: row.project_id, tag: row.tag }))
}
