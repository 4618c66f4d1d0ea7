/** Looks at a database file without changing it: for whoever wonders whether it is well, beside a running server or with none. */
import { pathToFileURL } from 'node:url'
import { sql, type Kysely } from 'kysely'
import type { Files } from '#lib/ports.ts'
import type { Reader } from './metadata.ts'
import { allMigrations } from './migrations/all.ts'
import { readSchemaState, type SchemaState } from './schema-state.ts'
import { SqliteConnection } from './sqlite-connection.ts'
import { kyselyOn } from './sqlite-dialect.ts'
import { openReader } from './sqlite-open.ts'

/** A database that is open for reading. */
export interface InspectedDatabase extends AsyncDisposable, SchemaState {
  /** What SQLite finds wrong with its pages and rows; empty when all is well. Reads the whole file. */
  integrityFaults(): Promise<readonly string[]>
  /** For queries; only when the schema is this program's. */
  readonly reader: Reader
}

const faultsMax = 5

/** Opens the file for reading only. Throws what SQLite says of a file that is none, cannot be read, or is not there. */
export async function inspectSqlite(file: string, files: Pick<Files, 'stat'>): Promise<InspectedDatabase> {
  const connection = new SqliteConnection(openReader(await locationOf(file, files)))
  try {
    const reader = kyselyOn(connection)
    const state = await readSchemaState(reader as unknown as Kysely<unknown>, allMigrations)
    return {
      ...state,
      async integrityFaults() {
        const { rows } = await sql<{ readonly quick_check: string }>`pragma quick_check(${sql.lit(faultsMax)})`.execute(reader)
        return rows.map((row) => row.quick_check).filter((text) => text !== 'ok')
      },
      reader,
      async [Symbol.asyncDispose]() {
        await reader.destroy()
        connection[Symbol.dispose]()
      },
    }
  } catch (error) {
    connection[Symbol.dispose]()
    throw error
  }
}

/**
 * A reader of a database in WAL mode makes the log and its index where they are missing, and leaves them lying, owned by whoever looked. Where there is no log,
 * all is in the file, which is then read as one that does not change.
 */
async function locationOf(file: string, { stat }: Pick<Files, 'stat'>): Promise<string> {
  const hasLog = await stat(`${file}-wal`).then(
    () => true,
    () => false,
  )
  return hasLog ? file : `${pathToFileURL(file).href}?immutable=1`
}
