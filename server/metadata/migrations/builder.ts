/** How migrations make tables, the same on both databases. */
import type { CreateTableBuilder, Kysely } from 'kysely'
import { columnTypesOf, type ColumnTypes } from '#metadata/dialect.ts'

type Table = CreateTableBuilder<string, string>

/** What a migration makes tables with. */
export interface Builder {
  readonly types: ColumnTypes
  /** Starts a table with its id column; `end` finishes it. */
  readonly table: (name: string) => Table
  readonly end: (table: Table) => Promise<void>
  readonly index: (table: string, columns: readonly string[], unique?: 'unique') => Promise<void>
}

/** The words of the database that a migration runs on. */
export function builderFor(db: Kysely<unknown>): Builder {
  const types = columnTypesOf(db)
  return {
    types,
    table: (name) => db.schema.createTable(name).addColumn('id', types.id) as Table,
    end: (table) => table.modifyEnd(types.tableEnd).execute(),
    index: async (table, columns, unique) => {
      const name = `${table}_${columns.join('_')}`
      const index = db.schema
        .createIndex(name)
        .on(table)
        .columns([...columns])
      await (unique ? index.unique() : index).execute()
    },
  }
}

type Type = 'text' | 'int64' | 'bytes'
type Columns = Readonly<Record<string, Type | `${Type}?`>>
/** Column → table whose row it names; `cascade`: it goes with that row. */
type References = Readonly<Record<string, readonly [table: string, onDelete?: 'cascade']>>

/** Makes a table of these columns; `?` after a type: may be null. */
export async function create({ types, table, end }: Builder, name: string, columns: Columns, references: References = {}): Promise<void> {
  let built = table(name)
  for (const [column, type] of Object.entries(columns)) {
    const isNullable = type.endsWith('?')
    built = built.addColumn(column, types[(isNullable ? type.slice(0, -1) : type) as Type], (definition) => {
      const sized = isNullable ? definition : definition.notNull()
      const reference = references[column]
      if (reference === undefined) return sized
      const referring = sized.references(`${reference[0]}.id`)
      return reference[1] === undefined ? referring : referring.onDelete('cascade')
    })
  }
  await end(built)
}

/** Adds columns, each with what rows of before get; undefined: they may be null. */
export async function widen(
  db: Kysely<unknown>,
  { types }: Builder,
  table: string,
  columns: Readonly<Record<string, string | number | undefined>>,
): Promise<void> {
  for (const [column, initial] of Object.entries(columns)) {
    const type = typeof initial === 'string' ? types.text : types.int64
    await db.schema
      .alterTable(table)
      .addColumn(column, type, (definition) => (initial === undefined ? definition : definition.notNull().defaultTo(initial)))
      .execute()
  }
}
