/** A database file that is about to be copied: nobody writes to it meanwhile. */
import type { Kysely } from 'kysely'
import type { Reader } from './metadata.ts'
import { allMigrations } from './migrations/all.ts'
import { readSchemaState, type SchemaState } from './schema-state.ts'
import { SqliteConnection } from './sqlite-connection.ts'
import { kyselyOn } from './sqlite-dialect.ts'
import { isBusy } from './sqlite-errors.ts'
import { closeWriter, openWriter } from './sqlite-open.ts'

/** Its rows stay as they are until it is disposed. */
export interface CopySource extends Disposable, SchemaState {
  readonly reader: Reader
}

/** Commands that write end soon. */
const busyTimeoutMs = 5_000

/** Opens it with the right to write, which nobody else gets then, and writes nothing. Undefined: somebody writes. */
export async function openCopySource(file: string): Promise<CopySource | undefined> {
  const connection = new SqliteConnection(openWriter({ file, busyTimeoutMs }))
  const close = () => {
    if (connection.database.isTransaction) connection.execute('rollback')
    closeWriter(connection.database)
  }
  try {
    connection.execute('begin immediate')
    const reader = kyselyOn(connection)
    const state = await readSchemaState(reader as unknown as Kysely<unknown>, allMigrations)
    return { ...state, reader, [Symbol.dispose]: close }
  } catch (error) {
    close()
    if (isBusy(error instanceof Error && error.cause !== undefined ? error.cause : error)) return undefined
    throw error
  }
}
