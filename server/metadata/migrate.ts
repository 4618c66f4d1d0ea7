/** Brings a database to the schema of this program. */
import type { Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import { allMigrations, type Migrations } from './migrations/all.ts'
import type { Database } from './schema.ts'
import { copyAdvice, copyMark, noteSchemaLevel, readSchemaState } from './schema-state.ts'

/** A schema that this program must not touch. The message is one sentence for the operator. */
export class SchemaTooNewError extends Error {
  override readonly name = 'SchemaTooNewError'
}

/**
 * Runs what is missing, all of it in one transaction: a process killed in the middle leaves the schema it found. Several processes may call it
 * at once: the first does it under a lock. Throws {@link SchemaTooNewError} when a newer program wrote what this one must not run on (schema-state.ts).
 */
export async function migrate(db: Kysely<Database>, migrations: Migrations = allMigrations): Promise<void> {
  const bare = db as unknown as Kysely<unknown>
  const { missing, unknown, mayServe } = await readSchemaState(bare, migrations)
  if (!mayServe) throw tooNew(unknown)
  if (missing.length === 0) return
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(notingLevel(migrations)) } })
  const { error } = await migrator.migrateToLatest()
  if (error === undefined) return
  // A newer program may have been faster.
  const now = await readSchemaState(bare, migrations).catch(() => undefined)
  if (now !== undefined && now.unknown.length > 0 && !now.mayServe) throw tooNew(now.unknown)
  if (now?.missing.length === 0 && now.mayServe) return
  throw error as Error
}

function tooNew(unknown: readonly string[]): SchemaTooNewError {
  if (unknown.includes(copyMark)) return new SchemaTooNewError(copyAdvice)
  return new SchemaTooNewError(
    `the database has migration ${unknown[0]}, which this version of Berth does not know: start the version that wrote it, or a newer one`,
  )
}

/** The last one writes down who may run on what they make. */
function notingLevel(migrations: Migrations): Record<string, Migration> {
  const last = Object.keys(migrations).toSorted().at(-1)
  return Object.fromEntries(
    Object.entries(migrations).map(([name, { up }]) => [
      name,
      {
        async up(db: Kysely<unknown>) {
          await up(db)
          if (name === last) await noteSchemaLevel(db, migrations)
        },
      },
    ]),
  )
}
