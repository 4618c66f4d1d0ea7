/** A transaction of the tests, in a module of its own: the writer thread loads it. */
import { sql } from 'kysely'
import { transaction } from '#metadata/transaction.ts'

/** As in a database from before stores had marks. */
export const forgetStores = transaction(import.meta.url, 'test-behaviour/forget-stores', async (tx) => {
  await sql`delete from settings where name = 'store' or name like 'store:%'`.execute(tx)
})
