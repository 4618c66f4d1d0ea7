/** The table `repositories`. A name that no client can write (see {@link tombstonePrefix}) marks one that is being deleted. */
import { sql, type SqlBool } from 'kysely'
import type { RepositoryName } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import { whereVisible, type Visibility } from './visibility.ts'

/**
 * A repository being deleted is renamed to this and its id: gone for everyone in one step, its rows follow in batches. No valid name starts
 * so, and it sorts before all that do.
 */
const tombstonePrefix = '!'

/** The least text that a name of a repository can have: what sorts before is a tombstone. */
export const firstRepositoryName = '0'

const idByName = prepare<{ name: string }, { id: number }>((db, param) =>
  db.selectFrom('repositories').select('id').where('name', '=', param('name')),
)

/** The id of the repository, undefined when there is none. */
export async function findRepositoryId(reader: Reader, name: RepositoryName): Promise<number | undefined> {
  return (await idByName(reader, { name }))[0]?.id
}

/** The same inside a transaction. */
export async function repositoryIdIn(tx: Transactor, name: RepositoryName): Promise<number | undefined> {
  return (await tx.selectFrom('repositories').select('id').where('name', '=', name).executeTakeFirst())?.id
}

/** Inserts the row, or finds the one that another transaction inserted first. */
export async function insertRepository(tx: Transactor, row: { name: RepositoryName; projectId: number; now: number }): Promise<number> {
  const inserted = await tx
    .insertInto('repositories')
    .values({ name: row.name, project_id: row.projectId, created_at: row.now, updated_at: row.now })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  const id = inserted?.id ?? (await repositoryIdIn(tx, row.name))
  if (id === undefined) throw new Error('repository is neither inserted nor found')
  return id
}

/** A page of a list of names, in byte order. */
export interface NamePage {
  /** How many names at most. */
  readonly n: number
  /** Only names that sort after this one. */
  readonly last?: string | undefined
}

/**
 * Names of the repositories that the caller may see and that have at least one manifest, in byte order. (A name where only blobs were pushed, or
 * that was emptied, is not listed; it is still usable.)
 */
export async function repositoryNames(reader: Reader, visibility: Visibility, page: NamePage): Promise<string[]> {
  if (visibility.kind === 'nothing' || page.n === 0) return []
  const query = reader
    .selectFrom('repositories')
    .select('repositories.name')
    .where('repositories.name', '>=', firstRepositoryName)
    .where((eb) => eb.exists(eb.selectFrom('manifests').select('manifests.id').whereRef('manifests.repository_id', '=', 'repositories.id')))
    .$if(page.last !== undefined, (next) => next.where('repositories.name', '>', page.last ?? ''))
    .orderBy('repositories.name')
    .limit(page.n)
  const rows = await whereVisible(query, visibility).execute()
  return rows.map((row) => row.name)
}

/** Renames the repository out of everyone's sight. */
export async function buryRepository(tx: Transactor, repositoryId: number): Promise<void> {
  await tx
    .updateTable('repositories')
    .set({ name: `${tombstonePrefix}${repositoryId}` })
    .where('id', '=', repositoryId)
    .execute()
}

/** Ids of repositories whose deletion was begun. */
export async function buriedRepositories(reader: Reader, limit: number): Promise<number[]> {
  const rows = await reader
    .selectFrom('repositories')
    .select('id')
    .where('name', '<', firstRepositoryName)
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map((row) => row.id)
}

/** Removes the row of a repository that has no manifests left; links, sessions and history go with it. */
export async function deleteRepositoryRow(tx: Transactor, repositoryId: number): Promise<void> {
  await tx.deleteFrom('repositories').where('id', '=', repositoryId).execute()
}

/** Tables whose rows make a repository worth keeping. */
const contents = ['manifests', 'repository_blobs', 'upload_sessions', 'tag_history'] as const

/** Removes the row if nothing was ever kept under it: no blob, no manifest, no open upload, no history. */
export async function deleteUnusedRepository(tx: Transactor, repositoryId: number): Promise<void> {
  const isEmpty = (table: string) => sql<SqlBool>`not exists (select 1 from ${sql.table(table)} where repository_id = ${repositoryId})`
  await tx
    .deleteFrom('repositories')
    .where('id', '=', repositoryId)
    .where((eb) => eb.and(contents.map(isEmpty)))
    .execute()
}
