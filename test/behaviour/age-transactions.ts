/** A transaction of the tests, in a module of its own: the writer thread loads it. */
import { sql } from 'kysely'
import { transaction } from '#metadata/transaction.ts'

/** All that was pushed, pulled or moved was so long before. */
export const makeOlder = transaction(import.meta.url, 'test-behaviour/make-older', async (tx, { byMs }: { readonly byMs: number }) => {
  await sql`update blobs set created_at = created_at - ${byMs}, placed_at = placed_at - ${byMs}`.execute(tx)
  await sql`update manifests set created_at = created_at - ${byMs}`.execute(tx)
  await sql`update manifest_pulls set last_pulled_at = last_pulled_at - ${byMs}`.execute(tx)
})
