/**
 * Repositories that nobody can name: those in the trash, those that hold what of a live one is in the trash, and those that are being emptied for good.
 *
 * The problem: a repository of a million manifests leaves everyone's sight in one step, and comes back in one. The way: its row gets a name that no client
 * can write and that sorts before all that one can; its rows stay where they are. `$<id>` is in the trash and keeps all it has; `#<id>` is the twin of the
 * live repository of that id and holds its deleted manifests; `!<id>` is being emptied in batches and does not come back. A project in the trash is
 * called `$<id>` too, and what lies below it `$<id>/…`.
 */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import { numberList } from './dialect.ts'
import type { Reader, Transactor } from './metadata.ts'
import { belowPrefix } from './name-prefixes.ts'

const trashPrefix = '$'
const twinPrefix = '#'
const tombstonePrefix = '!'
/** The character after the tombstone's: what sorts before it is being emptied. */
const afterTombstones = '"'

/** The name of what is in the trash: a repository or, among projects, a project. */
export function trashedNameOf(id: number): string {
  return `${trashPrefix}${id}`
}

/** Whether the name is none that a client can write. Names begin with a letter or a digit. */
export function isHiddenName(name: string): boolean {
  return name < '0'
}

/** Whether a repository of this name is in the trash, or holds what of another is; false for one that is live or is being emptied. */
export function isTrashedName(name: string): boolean {
  return isHiddenName(name) && !name.startsWith(tombstonePrefix)
}

/** Whether a row (joined with its `projects`) belongs to the system or to a project that is there. */
export function notInTrash(projectId: string): RawBuilder<SqlBool> {
  return sql<SqlBool>`(${sql.ref(projectId)} is null or projects.name >= '0')`
}

/** Id of the repository that holds what of this one is in the trash; undefined when nothing ever was. */
export async function findTwin(reader: Reader | Transactor, repositoryId: number): Promise<number | undefined> {
  return (await reader.selectFrom('repositories').select('id').where('trash_of', '=', repositoryId).executeTakeFirst())?.id
}

/** The same; it is made when there is none. */
export async function ensureTwin(tx: Transactor, repositoryId: number, now: number): Promise<number> {
  const found = await findTwin(tx, repositoryId)
  if (found !== undefined) return found
  const { project_id: projectId } = await tx
    .selectFrom('repositories')
    .select('project_id')
    .where('id', '=', repositoryId)
    .executeTakeFirstOrThrow()
  const { id } = await tx
    .insertInto('repositories')
    .values({
      project_id: projectId,
      name: `${twinPrefix}${repositoryId}`,
      created_at: now,
      updated_at: now,
      trashed_name: '',
      trash_of: repositoryId,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Renames the repository into the trash; what it was called stays on the row. */
export async function hideRepository(tx: Transactor, repositoryId: number): Promise<void> {
  await tx
    .updateTable('repositories')
    .set((eb) => ({ trashed_name: eb.ref('name'), name: trashedNameOf(repositoryId) }))
    .where('id', '=', repositoryId)
    .execute()
}

/** Gives a repository of the trash a name again. The name must be free. */
export async function unhideRepository(
  tx: Transactor,
  repositoryId: number,
  place: { readonly name: string; readonly projectId: number; readonly at: number },
): Promise<void> {
  await tx
    .updateTable('repositories')
    .set({ name: place.name, trashed_name: '', project_id: place.projectId, updated_at: place.at })
    .where('id', '=', repositoryId)
    .execute()
  await tx.updateTable('repositories').set({ project_id: place.projectId }).where('trash_of', '=', repositoryId).execute()
}

/** Renames the repository, and what of it is in the trash, out of everyone's sight for good: both are emptied from now on. */
export async function buryRepository(tx: Transactor, repositoryId: number): Promise<void> {
  await tx
    .updateTable('repositories')
    .set({ name: sql<string>`${tombstonePrefix} || id`, trashed_name: '', trash_of: null })
    .where((eb) => eb.or([eb('id', '=', repositoryId), eb('trash_of', '=', repositoryId)]))
    .execute()
}

/** The same of all repositories of a project and of those below it, whatever they are called, by the project's present name. */
export async function buryRepositoriesOf(tx: Transactor, project: { readonly id: number; readonly name: string }): Promise<void> {
  const projects = tx
    .selectFrom('projects')
    .select('id')
    .where((eb) => eb.or([eb('id', '=', project.id), belowPrefix('name', project.name)]))
  await tx
    .updateTable('repositories')
    .set({ name: sql<string>`${tombstonePrefix} || id`, trashed_name: '', trash_of: null })
    .where('project_id', 'in', projects)
    .execute()
}

/** Of these, the ids of repositories that are there or in the trash. */
export async function notBuried(reader: Reader | Transactor, ids: ReadonlySet<number>): Promise<ReadonlySet<number>> {
  if (ids.size === 0) return new Set()
  const { rows } = await sql<{
    id: number
  }>`select id from repositories where id in ${numberList(reader, [...ids])} and name >= ${afterTombstones}`.execute(reader)
  return new Set(rows.map(({ id }) => id))
}

/** Ids of repositories whose emptying was begun. */
export async function buriedRepositories(reader: Reader, limit: number): Promise<number[]> {
  const rows = await reader
    .selectFrom('repositories')
    .select('id')
    .where('name', '>=', tombstonePrefix)
    .where('name', '<', afterTombstones)
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map((row) => row.id)
}
