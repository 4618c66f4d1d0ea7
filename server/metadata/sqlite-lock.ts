/**
 * One server on a SQLite database: uploads are claimed in the memory of the process that receives them, so two servers could mix the bytes of one
 * upload. (Commands work beside a server: they push nothing. Several servers need a database that is made for them.)
 * The lock is SQLite's own on an empty file beside the database: the system releases it with the process, however that ends.
 */
import { DatabaseSync } from 'node:sqlite'
import { isBusy, translateSqliteError } from './sqlite-errors.ts'

/** A process that is being replaced may still be closing. */
const patienceMs = 2_000

/** The empty file beside the database in `file`. It stays: were it removed, somebody might hold a lock that nobody else sees. */
export function servingFileOf(file: string): string {
  return `${file}.serving`
}

/** Takes the lock of the database in `file`; undefined when another process has it. Disposing gives it back. */
export function lockForServing(file: string, patience: number = patienceMs): Disposable | undefined {
  const lock = new DatabaseSync(servingFileOf(file), { timeout: patience })
  try {
    lock.exec('begin exclusive')
  } catch (error) {
    lock.close()
    if (isBusy(error)) return undefined
    throw translateSqliteError(error)
  }
  return { [Symbol.dispose]: () => lock.close() }
}
