/** Every migration in order, imported by name so that no directory is read at start. To add one: append it; never change or remove one that was released. */
import type { Migration } from 'kysely/migration'
import { createRegistryTables } from './0001-registry.ts'
import { createAccessTables } from './0002-access.ts'
import { createLifecycleTables } from './0003-lifecycle.ts'

/** Migrations by name. Kysely runs them in the order of their names and stores each name in the database. */
export type Migrations = Readonly<Record<string, Migration>>

/** The schema of this program: what a database has when all of these ran. */
export const allMigrations: Migrations = {
  '0001-registry': { up: createRegistryTables },
  '0002-access': { up: createAccessTables },
  '0003-lifecycle': { up: createLifecycleTables },
}
