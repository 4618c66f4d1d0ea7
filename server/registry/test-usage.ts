/** Transactions of the tests of usage, in a module of their own: the writer thread loads it. */
import { sql } from 'kysely'
import { transaction } from '#metadata/transaction.ts'
import { digestOf, digestToBytes } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { dialectOf } from '#metadata/dialect.ts'
import { insertRepository } from '#metadata/repositories.ts'
import { blobEntered, linkCounts, repositoryMade, requestRecount } from '#metadata/usage.ts'
import { addChange, systemScope } from '#metadata/usage-counters.ts'
import type { Transactor } from '#metadata/metadata.ts'

/** Makes what is kept of the first repository and project wrong. */
export const damageUsage = transaction(import.meta.url, 'test-usage/damage', async (tx, _input: undefined) => {
  await addChange(tx, systemScope, { tags: 7 })
  await addChange(tx, { scope: 'project', id: 1 }, { bytes: -3 })
  await tx.updateTable('repository_blobs').set({ is_counted: 0 }).execute()
  await tx.deleteFrom('project_blobs').execute()
})

/** From now on each row that is updated or deleted leaves a line in `trace`. */
export const traceChanges = transaction(import.meta.url, 'test-usage/trace', async (tx, _input: undefined) => {
  const isPostgres = dialectOf(tx) === 'postgres'
  await sql`create table trace (name text, row_id bigint, deed text)`.execute(tx)
  if (isPostgres) await sql.raw(writeTrace).execute(tx)
  const tables = await sql.raw<{ name: string }>(isPostgres ? postgresTables : sqliteTables).execute(tx)
  for (const { name } of tables.rows) {
    for (const deed of ['update', 'delete'] as const) {
      const line = `begin insert into trace values ('${name}', old.id, '${deed}'); end`
      const action = isPostgres ? 'for each row execute function write_trace()' : line
      await sql.raw(`create trigger "trace_${name}_${deed}" after ${deed} on "${name}" ${action}`).execute(tx)
    }
  }
})

const sqliteTables = `select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name <> 'trace' and sql like '%strict%'`
const postgresTables = `select table_name as name from information_schema.columns where table_schema = 'public' and column_name = 'id'`
const writeTrace = `create function write_trace() returns trigger language plpgsql
  as 'begin insert into trace values (tg_table_name, old.id, lower(tg_op)); return null; end'`

/** What {@link traceChanges} saw: each row with how often it was updated or deleted. */
export const readTrace = transaction(import.meta.url, 'test-usage/read-trace', async (tx, _input: undefined) => {
  const { rows } = await sql<{ name: string; row: number; deed: string; times: number }>`
    select name, row_id as row, deed, count(*) as times from trace group by name, row_id, deed`.execute(tx)
  return rows
})

interface Links {
  readonly projectId: number
  readonly repository: string
  /** The first so many blobs that there are. */
  readonly count: number
}

/** A repository with links to blobs that are there. */
async function link(tx: Transactor, { projectId, repository, count }: Links): Promise<void> {
  const { id: repositoryId } = await insertRepository(tx, { name: repository as RepositoryName, projectId, now: 0 })
  await repositoryMade(tx, repositoryId)
  const rows = await tx.selectFrom('blobs').select(['id as blobId', 'size_bytes as sizeBytes']).orderBy('id').limit(count).execute()
  const links = rows.map(({ blobId }) => ({ repository_id: repositoryId, blob_id: blobId, created_at: 0, is_counted: 1 }))
  for (let start = 0; start < links.length; start += 1_000)
    await tx
      .insertInto('repository_blobs')
      .values(links.slice(start, start + 1_000))
      .execute()
  await linkCounts(tx, { repositoryId, blobs: rows, logicalBytes: 0 })
}

/** Rows of blobs without bytes, all in a repository that is made. */
export const addManyBlobs = transaction(
  import.meta.url,
  'test-usage/add-blobs',
  async (tx, input: Links & { readonly sizeBytes: number }) => {
    for (let index = 0; index < input.count; index++) {
      const digest = digestToBytes(digestOf(Buffer.from(`${input.repository} ${index}`)))
      const row = {
        digest,
        size_bytes: input.sizeBytes,
        state: 'live',
        lease_until: 0,
        store: 's',
        key: `${index}`,
        created_at: 0,
      } as const
      await tx.insertInto('blobs').values(row).execute()
    }
    await blobEntered(tx, input.count * input.sizeBytes, input.count)
    await link(tx, input)
  },
)

/** As {@link addManyBlobs}, with blobs that are there. */
export const linkSomeBlobs = transaction(import.meta.url, 'test-usage/link-blobs', (tx, input: Links) => link(tx, input))

/** Asks for a recount of the project. */
export const askForRecount = transaction(import.meta.url, 'test-usage/ask', (tx, projectId: number) => requestRecount(tx, projectId))
