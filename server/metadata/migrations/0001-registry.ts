/**
 * Migration 1: the tables of the registry, and the default project.
 *
 * Foreign keys: a row that others must not outlive is held back, not cascaded. `manifest_blobs.blob_id` without cascade is the backstop against
 * deleting a referenced blob, `tags.manifest_id` against a tag that points at nothing. What only describes its owner goes with it.
 */
import { sql, type Kysely } from 'kysely'
import { dialectOf } from '#metadata/dialect.ts'
import { builderFor, type Builder } from './builder.ts'

async function createProjects(db: Kysely<unknown>, { types, table, end, index }: Builder): Promise<void> {
  await end(
    table('projects')
      .addColumn('name', types.text, (column) => column.notNull())
      .addColumn('is_default', 'integer', (column) => column.notNull())
      .addColumn('created_at', types.int64, (column) => column.notNull()),
  )
  await index('projects', ['name'], 'unique')
  await db.schema
    .createIndex('projects_default')
    .unique()
    .on('projects')
    .column('is_default')
    .where('is_default', '=', sql.lit(1))
    .execute()
  await end(
    table('repositories')
      .addColumn('project_id', types.int64, (column) => column.notNull().references('projects.id'))
      .addColumn('name', types.text, (column) => column.notNull())
      .addColumn('created_at', types.int64, (column) => column.notNull()),
  )
  await index('repositories', ['name'], 'unique')
  await index('repositories', ['project_id', 'name'])
}

async function createBlobs({ types, table, end, index }: Builder): Promise<void> {
  await end(
    table('blobs')
      .addColumn('digest', types.bytes, (column) => column.notNull())
      .addColumn('size_bytes', types.int64, (column) => column.notNull())
      .addColumn('state', types.text, (column) => column.notNull())
      .addColumn('lease_until', types.int64, (column) => column.notNull())
      .addColumn('store', types.text, (column) => column.notNull())
      .addColumn('key', types.text, (column) => column.notNull())
      .addColumn('created_at', types.int64, (column) => column.notNull()),
  )
  await index('blobs', ['digest'], 'unique')
  // Not unique: an adopted blob may be known by its sha256 and by its sha512.
  await index('blobs', ['store', 'key'])
  // A link is no reference: it goes with the repository, and with a blob that nothing references.
  await end(
    table('repository_blobs')
      .addColumn('repository_id', types.int64, (column) => column.notNull().references('repositories.id').onDelete('cascade'))
      .addColumn('blob_id', types.int64, (column) => column.notNull().references('blobs.id').onDelete('cascade'))
      .addColumn('created_at', types.int64, (column) => column.notNull()),
  )
  await index('repository_blobs', ['repository_id', 'blob_id'], 'unique')
  await index('repository_blobs', ['blob_id'])
}

async function createManifests(db: Kysely<unknown>, { types, table, end, index }: Builder): Promise<void> {
  await end(
    table('manifests')
      .addColumn('repository_id', types.int64, (column) => column.notNull().references('repositories.id'))
      .addColumn('digest', types.bytes, (column) => column.notNull())
      .addColumn('media_type', types.text, (column) => column.notNull())
      .addColumn('artifact_type', types.text)
      .addColumn('subject_digest', types.bytes)
      .addColumn('annotations', types.text)
      .addColumn('size_bytes', types.int64, (column) => column.notNull())
      .addColumn('created_at', types.int64, (column) => column.notNull())
      // Last: SQLite walks a large value's overflow pages to reach a column behind it.
      .addColumn('payload', types.bytes, (column) => column.notNull()),
  )
  await index('manifests', ['repository_id', 'digest'], 'unique')
  await db.schema
    .createIndex('manifests_subject')
    .on('manifests')
    .columns(['repository_id', 'subject_digest', 'digest'])
    .where('subject_digest', 'is not', null)
    .execute()
  await end(
    table('manifest_blobs')
      .addColumn('manifest_id', types.int64, (column) => column.notNull().references('manifests.id').onDelete('cascade'))
      .addColumn('blob_id', types.int64, (column) => column.notNull().references('blobs.id')),
  )
  await index('manifest_blobs', ['manifest_id', 'blob_id'], 'unique')
  await index('manifest_blobs', ['blob_id'])
  await end(
    table('manifest_children')
      .addColumn('manifest_id', types.int64, (column) => column.notNull().references('manifests.id').onDelete('cascade'))
      .addColumn('child_digest', types.bytes, (column) => column.notNull()),
  )
  await index('manifest_children', ['manifest_id', 'child_digest'], 'unique')
  await index('manifest_children', ['child_digest'])
}

async function createTags({ types, table, end, index }: Builder): Promise<void> {
  await end(
    table('tags')
      .addColumn('repository_id', types.int64, (column) => column.notNull().references('repositories.id'))
      .addColumn('name', types.text, (column) => column.notNull())
      .addColumn('manifest_id', types.int64, (column) => column.notNull().references('manifests.id'))
      .addColumn('created_at', types.int64, (column) => column.notNull())
      .addColumn('updated_at', types.int64, (column) => column.notNull()),
  )
  await index('tags', ['repository_id', 'name'], 'unique')
  await index('tags', ['manifest_id'])
  await end(
    table('tag_history')
      .addColumn('repository_id', types.int64, (column) => column.notNull().references('repositories.id').onDelete('cascade'))
      .addColumn('name', types.text, (column) => column.notNull())
      .addColumn('digest', types.bytes)
      .addColumn('previous_digest', types.bytes)
      .addColumn('at', types.int64, (column) => column.notNull())
      .addColumn('actor', types.text, (column) => column.notNull()),
  )
  await index('tag_history', ['repository_id', 'name', 'id'])
}

async function createUploads({ types, table, end, index }: Builder): Promise<void> {
  await end(
    table('upload_sessions')
      .addColumn('upload_id', types.text, (column) => column.notNull())
      // The store's janitor removes the bytes of an upload that has no row.
      .addColumn('repository_id', types.int64, (column) => column.notNull().references('repositories.id').onDelete('cascade'))
      .addColumn('actor', types.text, (column) => column.notNull())
      .addColumn('algorithm', types.text, (column) => column.notNull())
      .addColumn('offset_bytes', types.int64, (column) => column.notNull())
      .addColumn('digest_so_far', types.bytes, (column) => column.notNull())
      .addColumn('store', types.text, (column) => column.notNull())
      .addColumn('started_at', types.int64, (column) => column.notNull())
      .addColumn('updated_at', types.int64, (column) => column.notNull()),
  )
  await index('upload_sessions', ['upload_id'], 'unique')
  for (const column of ['updated_at', 'repository_id', 'actor']) await index('upload_sessions', [column])
}

async function createGarbage({ types, table, end, index }: Builder): Promise<void> {
  await end(
    table('blob_deletions')
      .addColumn('store', types.text, (column) => column.notNull())
      .addColumn('key', types.text, (column) => column.notNull())
      .addColumn('size_bytes', types.int64, (column) => column.notNull())
      .addColumn('delete_after', types.int64, (column) => column.notNull()),
  )
  await index('blob_deletions', ['delete_after'])
  await end(
    table('garbage_reviews')
      .addColumn('kind', types.text, (column) => column.notNull())
      .addColumn('target_id', types.int64, (column) => column.notNull())
      .addColumn('review_after', types.int64, (column) => column.notNull()),
  )
  await index('garbage_reviews', ['kind', 'target_id'], 'unique')
  await index('garbage_reviews', ['review_after'])
}

async function createAccountsAndEvents({ types, table, end, index }: Builder): Promise<void> {
  await end(
    table('users')
      .addColumn('name', types.text, (column) => column.notNull())
      .addColumn('password_hash', types.text, (column) => column.notNull())
      .addColumn('is_admin', 'integer', (column) => column.notNull())
      .addColumn('created_at', types.int64, (column) => column.notNull())
      .addColumn('updated_at', types.int64, (column) => column.notNull()),
  )
  await index('users', ['name'], 'unique')
  await end(
    table('events')
      .addColumn('at', types.int64, (column) => column.notNull())
      .addColumn('action', types.text, (column) => column.notNull())
      .addColumn('repository', types.text)
      .addColumn('digest', types.bytes)
      .addColumn('tag', types.text)
      .addColumn('actor', types.text, (column) => column.notNull())
      .addColumn('request_id', types.text, (column) => column.notNull())
      .addColumn('detail', types.text, (column) => column.notNull()),
  )
  await index('events', ['at'])
  await end(
    table('settings')
      .addColumn('name', types.text, (column) => column.notNull())
      .addColumn('value', types.text, (column) => column.notNull()),
  )
  await index('settings', ['name'], 'unique')
}

/** What sqlite-open.ts defines on each SQLite connection, for visibility.ts. PostgreSQL's regular expressions are exact and do not backtrack. */
async function createGlobFunction(db: Kysely<unknown>): Promise<void> {
  await sql`create function name_matches_glob(name text, glob text, regex text) returns boolean
    language sql immutable parallel safe as 'select name ~ regex'`.execute(db)
}

/** Creates all tables, and the default project that owns every name without a project of its own. */
export async function createRegistryTables(db: Kysely<unknown>): Promise<void> {
  const builder = builderFor(db)
  await createProjects(db, builder)
  await createBlobs(builder)
  await createManifests(db, builder)
  await createTags(builder)
  await createUploads(builder)
  await createGarbage(builder)
  await createAccountsAndEvents(builder)
  if (dialectOf(db) === 'postgres') await createGlobFunction(db)
  // created_at 0: a migration has no clock, and this project is there from the first moment.
  await (db as Kysely<{ projects: { name: string; is_default: number; created_at: number } }>)
    .insertInto('projects')
    .values({ name: 'library', is_default: 1, created_at: 0 })
    .execute()
}
