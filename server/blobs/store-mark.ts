/**
 * The mark of a store in a directory: a small file among its blobs with the id of the store, which the database knows too.
 *
 * The problem: a disk that is not mounted leaves an empty directory behind, which takes bytes as gladly as the disk does; a push that is acknowledged
 * there is lost, and every blob of the disk looks as if it were gone. The way: the store asks for its mark before it acknowledges bytes, and before it
 * says that some are not there. While the file is the one that was read last, and was not written to since, that is one `stat`; else it is read again.
 */
import type { Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Files, Random } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { makeDirectory, syncDirectory } from './directories.ts'
import { listKeys } from './list-keys.ts'
import { markName } from './names.ts'
import { isAbsence, storageError, systemCode } from './storage-error.ts'

/** What tells that a store without a mark is in use. */
export type StoreTrace = 'journal' | 'blobs'

/** The mark in one store. */
export interface StoreMark {
  /** For people. */
  readonly path: string
  /** The id in the directory; undefined when there is no mark, or none that was written to its end. Throws one sentence for what cannot be read. */
  read(): Promise<string | undefined>
  /** Makes or replaces the mark, durably. Several processes may write the same id at once. */
  write(id: string): Promise<void>
  /** What of a registry is in the store beside the mark. Empty directories are nothing. */
  trace(): Promise<StoreTrace | undefined>
  /** From now on the store is the one with this id alone. */
  expect(id: string): void
  /** Throws UNAVAILABLE when the directory is not that of the expected store; see {@link isStoreLost}. Before {@link StoreMark.expect} nothing is asked. */
  require(): Promise<void>
  /** Of a store that may be away at the start (object-mark.ts): {@link StoreMark.require} settles whose it is, once, and throws UNAVAILABLE until that is done. */
  settleLater?(settle: () => Promise<void>): void
  /** Whether that is being done: what it asks of the store is not to wait for it. */
  readonly isSettling?: boolean
}

/** A store that does not answer tells nothing of whose it is. */
class MarkAwayError extends Error {
  override readonly name = 'MarkAwayError'
}

/** Whether the mark could not be read because its store is away: it may be settled later. */
export function isMarkAway(error: unknown): boolean {
  return error instanceof Error && (error instanceof MarkAwayError || isMarkAway(error.cause))
}

/** Of a store elsewhere that does not answer, or is not there. */
export function markAway(path: string, cause: Error): RegistryError {
  const error = new MarkAwayError(`${path} cannot be read or written: ${cause.message}`, { cause })
  return new RegistryError('UNAVAILABLE', undefined, { cause: error })
}

/** The cause of what a store throws while its directory is another's. */
class StoreLostError extends Error {
  override readonly name = 'StoreLostError'
}

/** Whether the error says that the whole store is away, rather than that something is wrong with some bytes. */
export function isStoreLost(error: unknown): boolean {
  return error instanceof Error && (error instanceof StoreLostError || isStoreLost(error.cause))
}

/** Two files of one name with the same facts have the same bytes. */
type MarkFacts = Pick<Stats, 'dev' | 'ino' | 'size' | 'mtimeMs' | 'ctimeMs'>

function isSame(one: MarkFacts, other: MarkFacts | undefined): boolean {
  if (one.ino !== other?.ino || one.dev !== other.dev || one.size !== other.size) return false
  return one.mtimeMs === other.mtimeMs && one.ctimeMs === other.ctimeMs
}

/** A part of the journal (features/journal-files.ts). */
const epochName = /^\d{8}$/u

/** An id and the end of its line: whatever else is in the file, no more of it is read. */
const idBytes = 37

/** Why it cannot be read. */
class NoFileError extends Error {
  override readonly name = 'NoFileError'
}

const explanation = 'Berth knows its blobs by this file: it belongs into every copy of them.'

/** What a mark holds. */
export function markBytes(id: string): Buffer {
  return Buffer.from(`${id}\n${explanation}\n`)
}

/** The id in those bytes; undefined where they are none of a mark. */
export function markedId(bytes: Uint8Array): string | undefined {
  return /^([0-9a-f-]{36})\n$/u.exec(Buffer.from(bytes.subarray(0, idBytes)).toString('latin1'))?.[1]
}

/** The mark of the store in `rootDirectory`. Touches nothing before its first use. */
export function createStoreMark(rootDirectory: string, { files, random }: { readonly files: Files; readonly random: Random }): StoreMark {
  const path = join(rootDirectory, markName)
  let expected: string | undefined
  let seen: MarkFacts | undefined
  const requireSame = async () => {
    const facts = await files.stat(path).catch(absentAsUndefined)
    if (facts !== undefined && isSame(facts, seen)) return
    if (facts === undefined || (await readId(files, path, facts)) !== expected) throw storeLost(path)
    seen = facts
  }
  return {
    path,
    async read() {
      try {
        const facts = await files.stat(path).catch(absentAsUndefined)
        return facts && (await readId(files, path, facts))
      } catch (error) {
        throw unreadable(path, error)
      }
    },
    async write(id) {
      await makeDirectory(files, dirname(path))
      const temporary = `${path}.${random.uuid()}`
      try {
        await using handle = await files.open(temporary, 'wx')
        await handle.writeFile(markBytes(id))
        await handle.sync()
        await files.rename(temporary, path)
      } catch (error) {
        await files.unlink(temporary).catch(() => undefined)
        throw error
      }
      await syncDirectory(files, dirname(path))
    },
    async trace() {
      const epochs = (await files.readdir(join(rootDirectory, 'journal')).catch(absentAsUndefined)) ?? []
      return epochs.some((name) => epochName.test(name)) ? 'journal' : (await hasKeys(files, rootDirectory)) ? 'blobs' : undefined
    },
    expect(id) {
      expected = id
      seen = undefined
    },
    async require() {
      if (expected === undefined) return
      try {
        await requireSame()
      } catch (error) {
        throw error instanceof NoFileError || systemCode(error) === 'ELOOP' ? storeLost(path) : storageError(error)
      }
    },
  }
}

async function hasKeys(files: Files, root: string): Promise<boolean> {
  for (let after: string | undefined; ;) {
    const { keys, next } = await listKeys({ files, root }, { below: 'blobs', after, limit: 100 })
    if (keys.length > 0 || next === undefined) return keys.length > 0
    after = next
  }
}

/** Opens nothing but a file, for others may wait for ever. */
async function readId(files: Pick<Files, 'open'>, path: string, facts: Pick<Stats, 'isFile'>): Promise<string | undefined> {
  if (!facts.isFile()) throw new NoFileError('it is no file')
  const handle = await files.open(path, 'r').catch(absentAsUndefined)
  if (handle === undefined) return undefined
  await using file = handle
  const buffer = Buffer.alloc(idBytes)
  const { bytesRead } = await file.read(buffer, 0, idBytes, 0)
  return markedId(buffer.subarray(0, bytesRead))
}

const unreadableReasons: Readonly<Record<string, string>> = {
  EACCES: 'this user may not: grant the right to read it',
  EPERM: 'this user may not: grant the right to read it',
  ELOOP: 'its symbolic links lead in a circle: put the file back',
}

function unreadable(path: string, error: unknown): Error {
  if (error instanceof NoFileError)
    return new Error(`the mark of the store cannot be read: ${path} is no file; move what is there away, and put the file back`)
  const code = systemCode(error)
  return new Error(`the mark of the store, ${path}, cannot be read: ${unreadableReasons[code ?? ''] ?? code ?? 'unknown'}`)
}

function storeLost(path: string): RegistryError {
  return awayBecause(`${path} is not there, or is that of another store: is the disk of the blobs mounted?`)
}

/** A directory of the store went from under what is open in it; see {@link isStoreLost}. */
export function directoryLost(path: string): RegistryError {
  return awayBecause(`${path} went away while it was written to: was the disk of the blobs unmounted?`)
}

/** A bucket that is another database's, for the reason that settling gave; see {@link isStoreLost}. */
export function storeLostBecause(error: unknown): RegistryError {
  const cause = new StoreLostError(error instanceof Error ? error.message : String(error))
  const message = 'the storage of this registry is not its own: an administrator has to look at it (berth doctor); then repeat the request'
  return new RegistryError('UNAVAILABLE', undefined, { cause, message })
}

function awayBecause(reason: string): RegistryError {
  const cause = new StoreLostError(reason)
  const message =
    'the storage of this registry is not there: an administrator has to mount it again (berth doctor); then repeat the request'
  return new RegistryError('UNAVAILABLE', undefined, { cause, message })
}

function absentAsUndefined(error: unknown): undefined {
  if (!isAbsence(error)) throw error
}
