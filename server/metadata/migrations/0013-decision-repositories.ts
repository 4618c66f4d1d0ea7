/** Migration 13: which repository a retention decision is about, whatever that is called since: what is deleted for good leaves no name there. */
import { sql, type Kysely } from 'kysely'
import { builderFor, widen } from './builder.ts'

/** Widens `retention_decisions` by the repository's row, as far as its name tells it: live, in the trash, or in a project of the trash. Null: it is not known. */
export async function addDecisionRepositories(db: Kysely<unknown>): Promise<void> {
  const builder = builderFor(db)
  await widen(db, builder, 'retention_decisions', { repository_id: undefined })
  await sql`update retention_decisions set repository_id = named.id from (
    select name, max(id) as id from (
      select name, id from repositories where name >= '0'
      union all select trashed_name, id from repositories where trashed_name <> ''
      union all select p.trashed_name || substr(r.name, length(p.name) + 1), r.id from projects p
        join repositories r on r.name >= p.name || '/' and r.name < p.name || '0' where p.trashed_name <> ''
    ) as every_name group by name) as named
    where named.name = retention_decisions.repository`.execute(db)
  await builder.index('retention_decisions', ['repository_id', 'digest'])
}
