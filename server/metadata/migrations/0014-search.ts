/** Migration 14: what a search finds by: tags by name and manifests by digest, in whichever repository they are. */
import { sql, type Kysely } from 'kysely'
import { builderFor } from './builder.ts'

/**
 * Indexes for these. Of a digest the first eight bytes are enough to find its few rows: an entry of a third of the size, as each push of a manifest
 * writes one, and at no place that the one before was near.
 */
export async function indexSearch(db: Kysely<unknown>): Promise<void> {
  await builderFor(db).index('tags', ['name', 'repository_id'])
  await db.schema
    .createIndex('manifests_digest_beginning')
    .on('manifests')
    .expression(sql`substr(digest, 1, 9)`)
    .execute()
}
