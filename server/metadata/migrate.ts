/** Brings a database to the schema of this program. */
import type { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import { allMigrations, type Migrations } from './migrations/all.ts'
import type { Database } from './schema.ts'

/** A schema that this program must not touch. The message is one sentence for the operator. */
export class SchemaTooNewError extends Error {
  override readonly name = 'SchemaTooNewError'
}

/**
 * Runs what is missing, all of it in one transaction: a process killed in the middle leaves the schema it found. Several processes may call it
 * at once. Throws {@link SchemaTooNewError} when the database was written by a newer program.
 */
export async function migrate(db: Kysely<Database>, migrations: Migrations = allMigrations): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...migrations }) } })
  const { error } = await migrator.migrateToLatest()
  if (error === undefined) return
  const unknown = await findUnknownMigration(db, migrations)
  if (unknown !== undefined) {
    throw new SchemaTooNewError(
      `the database has migration ${unknown}, which this version of Berth does not know: start the version that wrote it, or a newer one`,
    )
  }
  throw error as Error
}

async function findUnknownMigration(db: Kysely<Database>, migrations: Migrations): Promise<string | undefined> {
  const tables = db as unknown as Kysely<{ kysely_migration: { name: string } }>
  const rows = await tables
    .selectFrom('kysely_migration')
    .select('name')
    .orderBy('name')
    .execute()
    .catch(() => [])
  return rows.find((row) => !Object.hasOwn(migrations, row.name))?.name
}
