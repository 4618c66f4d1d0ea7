/**
 * What a database knows of the copy that fills it: how far each table is, until the copy has ended.
 *
 * The problem: a copy takes minutes and may be killed, and a server that starts meanwhile would serve half of a registry. The way: the copy begins with a
 * migration that no server knows, and that needs a newer one (schema-state.ts), so that servers of any version refuse to start; its table keeps, in the
 * transaction that inserts rows, which they were. The last transaction takes both away.
 */
import { sql, type Kysely } from 'kysely'
import { columnTypesOf } from './dialect.ts'
import type { Reader, Transactor } from './metadata.ts'
import { allMigrations, type Migrations } from './migrations/all.ts'
import { copyMark, noteSchemaLevel } from './schema-state.ts'
import { tablesInOrder, type TableName } from './table-rows.ts'

/** The schema of a database that a copy fills. */
export const copyMigrations: Migrations = { ...allMigrations, [copyMark]: { up: createCopyTable } }

async function createCopyTable(db: Kysely<unknown>): Promise<void> {
  const { int64, text, tableEnd } = columnTypesOf(db)
  await sql`create table database_copy (name ${text} primary key, after_id ${int64}, is_whole ${int64} not null, row_count ${int64} not null,
    texts_changed ${int64} not null, sha256 ${text} not null, source ${text} not null) ${tableEnd}`.execute(db)
}

/** How far one table is. */
export interface TableCopy {
  readonly name: TableName
  /** Id of the last row that was copied; null: none was. */
  readonly after_id: number | null
  /** 1: no row comes behind it. */
  readonly is_whole: number
  readonly row_count: number
  /** Values that held U+0000, which PostgreSQL does not take. */
  readonly texts_changed: number
  /** Of its rows, once they were found to be those of the source; empty before. */
  readonly sha256: string
  /** What tells the source from another one, and from itself after a change. */
  readonly source: string
}

/** All tables of a copy under way; none where it did not begin yet. */
export async function readCopyState(reader: Reader | Transactor): Promise<readonly TableCopy[]> {
  const { rows } = await sql<TableCopy>`select * from database_copy order by name`.execute(reader)
  return rows
}

/** Begins: empties all tables, which may hold what migrations put there. */
export async function clearForCopy(tx: Transactor, source: string): Promise<void> {
  for (const table of tablesInOrder.toReversed()) await sql`delete from ${sql.table(table)}`.execute(tx)
  for (const name of tablesInOrder) {
    await sql`insert into database_copy (name, after_id, is_whole, row_count, texts_changed, sha256, source)
      values (${name}, null, 0, 0, 0, '', ${source})`.execute(tx)
  }
}

/** Rows that were inserted by the same transaction. */
export interface CopyStep {
  readonly table: TableName
  /** What it was before; another value means that somebody else copies, too. */
  readonly after: number | null
  readonly through: number | null
  readonly isWhole: boolean
  readonly rows: number
  readonly textsChanged: number
}

/** Notes a step; false when another process took it. */
export async function noteCopyStep(tx: Transactor, { table, after, through, isWhole, rows, textsChanged }: CopyStep): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`update database_copy set after_id = ${through}, is_whole = ${isWhole ? 1 : 0},
    row_count = row_count + ${rows}, texts_changed = texts_changed + ${textsChanged}
    where name = ${table} and is_whole = 0 and coalesce(after_id, -1) = ${after ?? -1}`.execute(tx)
  return numAffectedRows > 0n
}

/** Notes that the rows of a table are those of the source. */
export async function noteCopySum(
  tx: Transactor,
  { table, sha256 }: { readonly table: TableName; readonly sha256: string },
): Promise<void> {
  await sql`update database_copy set sha256 = ${sha256} where name = ${table}`.execute(tx)
}

/** The copy has ended: from this commit on servers start. */
export async function forgetCopy(tx: Transactor): Promise<void> {
  const bare = tx as unknown as Kysely<unknown>
  await sql`drop table database_copy`.execute(tx)
  await sql`delete from kysely_migration where name = ${copyMark}`.execute(tx)
  await sql`drop table schema_level`.execute(tx)
  await noteSchemaLevel(bare, allMigrations)
}

/** How many rows each table has. */
export async function countAllRows(reader: Reader): Promise<Readonly<Record<TableName, number>>> {
  const counts: Partial<Record<TableName, number>> = {}
  for (const table of tablesInOrder) {
    const { rows } = await sql<{ readonly count: number }>`select count(*) as count from ${sql.table(table)}`.execute(reader)
    counts[table] = Number(rows[0]?.count ?? 0)
  }
  return counts as Record<TableName, number>
}

/** How many tables and views there are in the place where Berth's would be made, whosesoever they are. */
export async function countRelations(reader: Reader): Promise<number> {
  const { rows } = await sql<{ readonly count: number }>`select count(*) as count from pg_class
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')`.execute(reader)
  return Number(rows[0]?.count ?? 0)
}
