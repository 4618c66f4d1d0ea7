/**
 * Rows of whole tables in a form that both databases take: for copies from one database to another, and for backups.
 *
 * Every table has a bigint `id`, which is what pages go by; referred tables come before those that refer to them. Values are what the schema says: whole
 * numbers, texts, bytes, null. PostgreSQL takes no U+0000 in a text, so there it becomes U+FFFD, and is counted. To add a table: list it here, behind
 * those that it refers to (a test compares the list with a migrated database).
 */
import { sql, type Kysely } from 'kysely'
import { dialectOf } from './dialect.ts'
import type { Reader, Transactor } from './metadata.ts'
import type { Database } from './schema.ts'
import { transaction } from './transaction.ts'

/** A table of the schema. */
export type TableName = keyof Database

/** A value as it is in a column. */
export type ColumnValue = string | number | bigint | null | Uint8Array | boolean

/** A row by the names of its columns; `id` is always one. */
export type TableRow = Readonly<Record<string, ColumnValue>>

/** All tables, each behind those that its foreign keys name. */
export const tablesInOrder: readonly TableName[] = [
  'projects',
  'repositories',
  'blobs',
  'repository_blobs',
  'manifests',
  'manifest_blobs',
  'manifest_children',
  'tags',
  'tag_history',
  'upload_sessions',
  'blob_deletions',
  'garbage_reviews',
  'users',
  'providers',
  'identities',
  'groups',
  'group_members',
  'second_factors',
  'login_failures',
  'roles',
  'robots',
  'grants',
  'tokens',
  'sessions',
  'signing_keys',
  'robot_trusts',
  'labels',
  'manifest_labels',
  'name_redirects',
  'events',
  'event_seals',
  'settings',
  'jobs',
  'job_lines',
  'schedules',
  'leases',
  'trash',
  'usage_totals',
  'usage_changes',
  'project_blobs',
  'usage_recounts',
  'quotas',
  'immutable_rules',
  'retention_policies',
  'retention_runs',
  'retention_decisions',
  'tag_pulls',
  'manifest_pulls',
  'scrub_findings',
  'certificates',
  'acme_accounts',
  'acme_challenges',
  'nodes',
  'statistics',
]

/** A page by id: what comes after that one, and so many rows at most. */
export interface RowsRequest {
  readonly after?: number | undefined
  readonly limit: number
}

/** Rows in the order of their ids. `next` is what to ask with for those behind them; undefined: there are none. */
export interface RowsPage {
  readonly rows: readonly TableRow[]
  readonly next: number | undefined
}

/** What the documents of one page of manifests may add up to, for they may be megabytes each. */
const pageBytesMax = 8 * 1024 * 1024

/** One page of a table. Pages of manifests may be shorter than asked for, never empty while there are rows. */
export async function readRows(reader: Reader, table: TableName, { after, limit }: RowsRequest): Promise<RowsPage> {
  const from = after ?? Number.MIN_SAFE_INTEGER
  const through = table === 'manifests' ? await lastThatFits(reader, from, limit) : undefined
  const bound = through === undefined ? sql`` : sql` and id <= ${through}`
  const { rows } = await sql<TableRow>`select * from ${sql.table(table)} where id > ${from}${bound} order by id limit ${limit}`.execute(
    reader,
  )
  const isLast = rows.length < limit && through === undefined
  return { rows, next: isLast ? undefined : idOf(rows.at(-1)) }
}

/** The id of the last manifest of a page; undefined when none comes behind the page. */
async function lastThatFits(reader: Reader, from: number, limit: number): Promise<number | undefined> {
  const sizes = await reader
    .selectFrom('manifests')
    .select(['id', 'size_bytes'])
    .where('id', '>', from)
    .orderBy('id')
    .limit(limit)
    .execute()
  let sum = 0
  const beyond = sizes.findIndex(({ size_bytes }) => (sum += size_bytes) > pageBytesMax)
  if (beyond === -1) return sizes.length < limit ? undefined : sizes.at(-1)?.id
  return sizes[Math.max(0, beyond - 1)]?.id
}

function idOf(row: TableRow | undefined): number | undefined {
  return row === undefined ? undefined : Number(row['id'])
}

/** Rows of one table, all with the same columns. */
export interface RowsToInsert {
  readonly table: TableName
  readonly rows: readonly TableRow[]
  /** Leaves rows alone whose id is there, for whoever may have inserted them before. */
  readonly skipExisting?: boolean
}

/** What became of them. `textsChanged`: values that held U+0000, where the database takes none. */
export interface RowsInserted {
  readonly inserted: number
  readonly textsChanged: number
}

/** Below the limits of both databases for the values of one statement. */
const valuesMax = 30_000

/** Inserts rows with their ids. Who goes through all tables in their order, and then sets the sequences, makes a copy. */
export const insertRows = transaction(
  import.meta.url,
  'table-rows/insert',
  async (tx: Transactor, { table, rows, skipExisting = false }: RowsToInsert): Promise<RowsInserted> => {
    const [first] = rows
    if (first === undefined) return { inserted: 0, textsChanged: 0 }
    const columns = Object.keys(first)
    const length = Math.max(1, Math.floor(valuesMax / columns.length))
    const take = dialectOf(tx as unknown as Kysely<unknown>) === 'postgres' ? withoutNul : asIs
    const notes = { inserted: 0, textsChanged: 0 }
    for (let start = 0; start < rows.length; start += length) {
      const lines = rows
        .slice(start, start + length)
        .map((row) => sql`(${sql.join(columns.map((column) => take(row[column] ?? null, notes)))})`)
      const { numAffectedRows = 0n } = await sql`insert into ${sql.table(table)} (${sql.join(columns.map((column) => sql.ref(column)))})
        values ${sql.join(lines)}${skipExisting ? sql` on conflict (id) do nothing` : sql``}`.execute(tx)
      notes.inserted += Number(numAffectedRows)
    }
    return notes
  },
)

interface Notes {
  textsChanged: number
}

function asIs(value: ColumnValue): ColumnValue {
  return value
}

function withoutNul(value: ColumnValue, notes: Notes): ColumnValue {
  if (typeof value !== 'string' || !value.includes('\0')) return value
  notes.textsChanged++
  return value.replaceAll('\0', '\uFFFD')
}

/** The last id that each table gave, also to rows that are gone: it is never given twice. Tables that gave none are left out. */
export type Sequences = Readonly<Partial<Record<TableName, number>>>

/** Reads them. */
export async function readSequences(reader: Reader): Promise<Sequences> {
  const { rows } =
    dialectOf(reader as unknown as Kysely<unknown>) === 'postgres'
      ? await sql<SequenceRow>`select name, pg_sequence_last_value(pg_get_serial_sequence(quote_ident(name), 'id')::regclass) as last
          from json_array_elements_text(${JSON.stringify(tablesInOrder)}::json) as listed(name)`.execute(reader)
      : await sql<SequenceRow>`select name, seq as last from sqlite_sequence`.execute(reader)
  const known: ReadonlySet<string> = new Set(tablesInOrder)
  return Object.fromEntries(rows.flatMap(({ name, last }) => (last === null || !known.has(name) ? [] : [[name, last]])))
}

interface SequenceRow {
  readonly name: string
  readonly last: number | null
}

/** Lets each table go on behind its largest id, and behind the id that `sequences` names. */
export const resetSequences = transaction(
  import.meta.url,
  'table-rows/reset-sequences',
  async (tx: Transactor, sequences: Sequences): Promise<void> => {
    const isPostgres = dialectOf(tx as unknown as Kysely<unknown>) === 'postgres'
    for (const table of tablesInOrder) {
      const { rows } = await sql<{ readonly largest: number | null }>`select max(id) as largest from ${sql.table(table)}`.execute(tx)
      const last = Math.max(rows[0]?.largest ?? 0, sequences[table] ?? 0)
      if (last === 0) continue
      if (isPostgres) await sql`select setval(pg_get_serial_sequence(${table}, 'id')::regclass, ${last})`.execute(tx)
      else await setSqliteSequence(tx, table, last)
    }
  },
)

/** SQLite makes the row with the first insert, and never lets the table's own largest id be given again. */
async function setSqliteSequence(tx: Transactor, table: TableName, last: number): Promise<void> {
  const { numAffectedRows = 0n } = await sql`update sqlite_sequence set seq = ${last} where name = ${table}`.execute(tx)
  if (numAffectedRows === 0n) await sql`insert into sqlite_sequence (name, seq) values (${table}, ${last})`.execute(tx)
}
