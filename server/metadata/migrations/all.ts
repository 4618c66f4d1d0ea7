/** Every migration in order, imported by name so that no directory is read at start. To add one: append it; never change or remove one that was released. */
import type { Migration } from 'kysely/migration'
import { createRegistryTables } from './0001-registry.ts'
import { createAccessTables } from './0002-access.ts'
import { createLifecycleTables } from './0003-lifecycle.ts'
import { addUploadHolders } from './0004-nodes.ts'
import { createCertificateTables } from './0005-certificates.ts'
import { addTokenParents } from './0006-token-parents.ts'
import { addTrashParents } from './0007-trash-parents.ts'
import { indexAuditFilters } from './0008-audit-filters.ts'
import { createNodes } from './0009-nodes.ts'
import { addBlobMoves } from './0012-tiers.ts'
import { addDecisionRepositories } from './0013-decision-repositories.ts'
import { indexSearch } from './0014-search.ts'
import { createStatistics } from './0015-statistics.ts'

/**
 * One step of the schema. `expand`: the version before, which does not know it, runs on its outcome (it adds tables, indexes that hold for what that version
 * writes, and columns that may be null or have a default). All others end that; see docs/guides/upgrading.md.
 */
export interface SchemaMigration extends Pick<Migration, 'up'> {
  readonly kind?: 'expand' | 'contract'
}

/** Migrations by name. They run in the order of their names, and each name is stored in the database. */
export type Migrations = Readonly<Record<string, SchemaMigration>>

/** The schema of this program: what a database has when all of these ran. */
export const allMigrations: Migrations = {
  '0001-registry': { up: createRegistryTables },
  '0002-access': { up: createAccessTables },
  '0003-lifecycle': { up: createLifecycleTables },
  '0004-nodes': { up: addUploadHolders, kind: 'expand' },
  '0005-certificates': { up: createCertificateTables, kind: 'expand' },
  '0006-token-parents': { up: addTokenParents, kind: 'expand' },
  '0007-trash-parents': { up: addTrashParents, kind: 'expand' },
  '0008-audit-filters': { up: indexAuditFilters, kind: 'expand' },
  '0009-nodes': { up: createNodes, kind: 'expand' },
  '0012-tiers': { up: addBlobMoves, kind: 'expand' },
  '0013-decision-repositories': { up: addDecisionRepositories, kind: 'expand' },
  '0014-search': { up: indexSearch, kind: 'expand' },
  '0015-statistics': { up: createStatistics, kind: 'expand' },
}
