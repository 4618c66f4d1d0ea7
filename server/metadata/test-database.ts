/** Databases for tests. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { systemPorts } from '#lib/ports.ts'
import type { Metadata } from './metadata.ts'
import { openSqlite, type SqliteOptions } from './sqlite.ts'

/** A directory of its own, removed with everything in it. */
export interface TestDirectory extends AsyncDisposable {
  readonly file: string
}

export async function makeTestDirectory(): Promise<TestDirectory> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-metadata-'))
  return { file: join(directory, 'berth.db'), [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) }
}

/** Opens with the machine's ports and no log. */
export function openTestDatabase(file: string, options: Partial<SqliteOptions> = {}): Promise<Metadata> {
  return openSqlite({ file, ports: systemPorts, log: pino({ enabled: false }), ...options })
}
