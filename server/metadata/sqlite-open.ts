/** Opens connections with the settings that each role needs. */
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { matchesGlob, parseGlob, type RepositoryGlob } from './repository-glob.ts'

/** Which database, and how long its writer waits for another process in milliseconds. */
export interface OpenOptions {
  readonly file: string
  readonly busyTimeoutMs: number
  /** Else the file must exist: one that is made while its disk is away would hide the database, and be empty. */
  readonly mayCreate?: boolean
}

const cacheKibibytes = 16 * 1024
const mmapBytes = 256 * 1024 * 1024
/** A write-ahead log that grew beyond this (a long read held it) is cut back after its next checkpoint. */
const walKeptBytes = 64 * 1024 * 1024

/**
 * The one connection that writes: WAL, so that readers never wait; synchronous=FULL, because in WAL mode NORMAL loses the last commits at a
 * power cut; foreign keys, which SQLite leaves off.
 */
export function openWriter({ file, busyTimeoutMs, mayCreate = false }: OpenOptions): DatabaseSync {
  const place = pathToFileURL(file)
  if (!mayCreate) place.searchParams.set('mode', 'rw')
  const database = new DatabaseSync(place, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true })
  try {
    database.exec(`pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;
      pragma cache_size = -${cacheKibibytes}; pragma journal_size_limit = ${walKeptBytes}; pragma temp_store = memory`)
    defineFunctions(database)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** How long a read may block the event loop for a lock. Readers of a WAL wait only while another process recovers or removes it. */
const readerBusyTimeoutMs = 50

/** A connection that reads, on the thread that asks. The file must exist. */
export function openReader(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: readerBusyTimeoutMs, readOnly: true })
  database.exec(`pragma cache_size = -${cacheKibibytes}; pragma mmap_size = ${mmapBytes}; pragma temp_store = memory`)
  defineFunctions(database)
  return database
}

/** A private database in memory: one connection that reads and writes. */
export function openMemoryDatabase(): DatabaseSync {
  const database = new DatabaseSync(':memory:', { enableForeignKeyConstraints: true })
  defineFunctions(database)
  return database
}

const maximumKnownGlobs = 1000

/** What visibility.ts asks of both databases. The regular expression is PostgreSQL's; ours never backtracks. */
function defineFunctions(database: DatabaseSync): void {
  const globs = new Map<string, RepositoryGlob | undefined>()
  database.function('name_matches_glob', { deterministic: true, directOnly: true }, (name, text, _regex) => {
    if (typeof name !== 'string' || typeof text !== 'string') return 0
    if (!globs.has(text)) {
      if (globs.size >= maximumKnownGlobs) globs.clear()
      globs.set(text, parseGlob(text))
    }
    const glob = globs.get(text)
    return glob !== undefined && matchesGlob(glob, name) ? 1 : 0
  })
}

/** Moves the write-ahead log into the file and closes: what stays is one file. Other processes that use it keep their log. */
export function closeWriter(database: DatabaseSync): void {
  if (!database.isOpen) return
  try {
    database.exec('pragma busy_timeout = 0; pragma wal_checkpoint(truncate)')
  } catch {
    // A full disk or a reader elsewhere: the log stays and is read at the next open.
  }
  database.close()
}
