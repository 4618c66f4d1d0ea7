/** Every migration in order, imported by name so that no directory is read at start. To add one: append it; never change or remove one that was released. */
import type { Migration } from 'kysely/migration'
import { createRegistryTables } from './0001-registry.ts'

export type Migrations = Readonly<Record<string, Migration>>

export const allMigrations: Migrations = {
  '0001-registry': { up: createRegistryTables },
}
