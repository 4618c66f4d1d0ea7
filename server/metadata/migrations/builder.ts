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
