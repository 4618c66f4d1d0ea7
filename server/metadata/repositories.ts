/** The table `repositories`. Those whose names no client can write are hidden-repositories.ts's. */
import { sql, type SqlBool } from 'kysely'
import type { RepositoryName } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import { forgetUsage } from './usage-counters.ts'

/** The least text that a name of a repository can have: what sorts before is hidden (hidden-repositories.ts). */
export const firstRepositoryName = '0'

const idByName = prepare<{ name: string }, { id: number }>((db, param) =>
  db.selectFrom('repositories').select('id').where('name', '=', param('name')),
)

/** The id of the repository, undefined when there is none. */
export async function findRepositoryId(reader: Reader, name: RepositoryName): Promise<number | undefined> {
  return (await idByName(reader, { name }))[0]?.id
}

/** The same inside a transaction. */
export async function repositoryIdIn(tx: Reader | Transactor, name: RepositoryName): Promise<number | undefined> {
  return (await tx.selectFrom('repositories').select('id').where('name', '=', name).executeTakeFirst())?.id
}

/** Inserts the row, or finds the one that another transaction inserted first. */
export async function insertRepository(
  tx: Transactor,
  row: { name: RepositoryName; projectId: number; now: number },
): Promise<{ readonly id: number; readonly isNew: boolean }> {
  const inserted = await tx
    .insertInto('repositories')
    .values({ name: row.name, project_id: row.projectId, created_at: row.now, updated_at: row.now })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  const id = inserted?.id ?? (await repositoryIdIn(tx, row.name))
  if (id === undefined) throw new Error('repository is neither inserted nor found')
  return { id, isNew: inserted !== undefined }
}

/** A page of a list of names, in byte order. */
export interface NamePage {
  /** How many names at most. */
  readonly n: number
  /** Only names that sort after this one. */
  readonly last?: string | undefined
}

/** Removes the row of a repository that has no manifests left; links, sessions and history go with it. */
export async function deleteRepositoryRow(tx: Transactor, repositoryId: number): Promise<void> {
  await forgetUsage(tx, { scope: 'repository', id: repositoryId })
  await tx.deleteFrom('repositories').where('id', '=', repositoryId).execute()
}

/** Tables whose rows make a repository worth keeping. */
const contents = ['manifests', 'repository_blobs', 'upload_sessions', 'tag_history'] as const

/** Whether nothing was ever kept under the row: no blob, no manifest, no open upload, no history, nothing in the trash. */
export async function isUnusedRepository(tx: Transactor, repositoryId: number): Promise<boolean> {
  const isEmpty = (table: string) => sql<SqlBool>`not exists (select 1 from ${sql.table(table)} where repository_id = ${repositoryId})`
  const row = await tx
    .selectFrom('repositories')
    .select('id')
    .where('id', '=', repositoryId)
    .where((eb) => eb.and(contents.map(isEmpty)))
    .where((eb) => eb.not(eb.exists(eb.selectFrom('repositories as twin').select('twin.id').where('twin.trash_of', '=', repositoryId))))
    .executeTakeFirst()
  return row !== undefined
}
