/** Looks at a database of PostgreSQL without changing it: for whoever wonders whether it is well, beside running servers or with none. */
import type { Kysely } from 'kysely'
import type { PostgresTarget } from '#config/postgres-url.ts'
import type { Ports } from '#lib/ports.ts'
import type { Reader } from './metadata.ts'
import { allMigrations } from './migrations/all.ts'
import { createConnector, passwordSource } from './postgres-connector.ts'
import { readingKysely } from './postgres-dialect.ts'
import { readSchemaState, type SchemaState } from './schema-state.ts'
import { StatementNames } from './postgres-statements.ts'

/** A database that is open for reading, on one connection. */
export interface InspectedPostgres extends AsyncDisposable, SchemaState {
  /** `15.18`. */
  readonly version: string
  /** For queries, one after the other; only when the schema is this program's. */
  readonly reader: Reader
}

/** Which database, and how to prove who asks. */
export interface InspectOptions {
  readonly target: PostgresTarget
  readonly passwordFile: string | undefined
  readonly ports: Pick<Ports, 'files' | 'timers'>
}

/** Rejects when no server answers, or none that writes. */
export async function inspectPostgres({ target, passwordFile, ports: { files, timers } }: InspectOptions): Promise<InspectedPostgres> {
  const password = passwordSource(target, passwordFile, files.readFile)
  const connection = await createConnector({ target, password, files, timers, names: new StatementNames() }).connect('reads')
  try {
    const reader = readingKysely((query) => connection.executeQuery(query))
    const state = await readSchemaState(reader as unknown as Kysely<unknown>, allMigrations)
    const { version } = connection.facts
    return {
      ...state,
      version: `${Math.floor(version / 10_000)}.${version % 10_000}`,
      reader,
      [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    }
  } catch (error) {
    connection.destroy()
    throw error
  }
}
