/**
 * How far a database's schema is, against what this program knows.
 *
 * The problem: version n and n+1 serve one database together while nodes are replaced, and n may have to come back. The way: a migration that only *expands*
 * (tables and columns that n does not look at: they may be null or have a default) leaves n working; one that *contracts* does not. The row of
 * `schema_level` says the oldest level whose program may run; a program's level is the number of its newest migration.
 */
import { sql, type Kysely } from 'kysely'
import { columnTypesOf, dialectOf } from './dialect.ts'
import type { Migrations } from './migrations/all.ts'

/** The name of the migration that stands for a copy under way (copy-state.ts): no server runs on half of an installation. */
export const copyMark = '9999-database-copy'

/** What to do about a schema that has {@link copyMark}. */
export const copyAdvice = 'a copy into it has not ended: run berth database copy again, and start when it has'

/** Names of migrations, in their order. */
export interface SchemaState {
  readonly applied: readonly string[]
  /** This program knows them and the database has not had them. */
  readonly missing: readonly string[]
  /** Of a newer program. */
  readonly unknown: readonly string[]
  /** Whether this program may run on the schema, once it has had what is missing. */
  readonly mayServe: boolean
}

type AnyDatabase = Kysely<unknown>

async function hasTable(db: AnyDatabase, name: string): Promise<boolean> {
  const { rows } =
    dialectOf(db) === 'postgres'
      ? await sql<{ readonly name: string | null }>`select to_regclass(${name})::text as name`.execute(db)
      : await sql<{ readonly name: string }>`select name from sqlite_master where type = 'table' and name = ${name}`.execute(db)
  return (rows[0]?.name ?? null) !== null
}

/** The number that a migration's name begins with. */
export function levelOf(name: string): number {
  return Number(/^\d+/.exec(name)?.[0] ?? 0)
}

/** The newest level among the names; 0 for none. */
function newestLevel(names: readonly string[]): number {
  return Math.max(0, ...names.map(levelOf))
}

/** The oldest level whose program may run on what these migrations make. */
function neededLevel(migrations: Migrations): number {
  const contracting = Object.entries(migrations).filter(([, { kind }]) => kind !== 'expand')
  return newestLevel(contracting.map(([name]) => name))
}

/** Looks, and changes nothing. */
export async function readSchemaState(db: AnyDatabase, migrations: Migrations): Promise<SchemaState> {
  const known = Object.keys(migrations).toSorted()
  const applied = (await hasTable(db, 'kysely_migration'))
    ? (await sql<{ readonly name: string }>`select name from kysely_migration order by name`.execute(db)).rows.map(({ name }) => name)
    : []
  const unknown = applied.filter((name) => !Object.hasOwn(migrations, name))
  const missing = known.filter((name) => !applied.includes(name))
  return { applied, missing, unknown, mayServe: unknown.length === 0 || (missing.length === 0 && (await isEnough(db, newestLevel(known)))) }
}

async function isEnough(db: AnyDatabase, level: number): Promise<boolean> {
  if (!(await hasTable(db, 'schema_level'))) return false
  const { rows } = await sql<{ readonly needs: number }>`select needs from schema_level`.execute(db)
  const needs = rows[0]?.needs
  return needs !== undefined && Number(needs) <= level
}

/** Writes down who may run on the schema, in the transaction that brings it there. */
export async function noteSchemaLevel(db: AnyDatabase, migrations: Migrations): Promise<void> {
  const needs = neededLevel(migrations)
  if (!(await hasTable(db, 'schema_level'))) {
    const types = columnTypesOf(db)
    await sql`create table schema_level (id ${types.int64} primary key, needs ${types.int64} not null) ${types.tableEnd}`.execute(db)
    await sql`insert into schema_level (id, needs) values (1, ${needs})`.execute(db)
    return
  }
  await sql`update schema_level set needs = ${needs} where id = 1 and needs < ${needs}`.execute(db)
}
