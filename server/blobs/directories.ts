/**
 * Directories whose entries survive a power failure. A file's new name is durable only when its directory is synced, and that directory's own name
 * only when its parent is: what is made here is synced up to the root.
 */
import { dirname } from 'node:path'
import type { Files } from '#lib/ports.ts'
import { allEnded } from './all-ended.ts'
import { isAbsence, systemCode } from './storage-error.ts'
import { SyncGate } from './sync-gate.ts'

/** Some network and user-space file systems do not know how to sync a directory; they write names through. */
const unsyncable = new Set(['EINVAL', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])
/** How often a directory may be removed between its making and its use: by a delete that empties it at the same time. */
const attemptsMax = 20
/** Directories near the root whose names are known to be durable; a store has a few hundred. */
const knownMax = 4096

interface Sync {
  readonly running: Promise<void>
  following: Promise<void> | undefined
}

/** The directories of one store. */
export class Directories {
  readonly #files: Files
  readonly #root: string
  readonly #gate: SyncGate
  readonly #syncs = new Map<string, Sync>()
  readonly #durable = new Set<string>()
  /** How often a directory that others may have relied on was made (again). */
  #remakes = 0
  #rootMade: Promise<void> | undefined

  constructor(files: Files, root: string, gate: SyncGate) {
    this.#files = files
    this.#root = root
    this.#gate = gate
  }

  /** Resolves when the entries that the directory has now are durable. Callers that come while a sync runs share the next one. */
  sync(directory: string): Promise<void> {
    const current = this.#syncs.get(directory)
    if (current === undefined) return this.#startSync(directory)
    current.following ??= current.running.then(
      () => this.#startSync(directory),
      () => this.#startSync(directory),
    )
    return current.following
  }

  /**
   * Runs `create`, which makes a new name in `directory`; makes the directory where it is missing, again if a delete removes it under us.
   * The new name is durable only after {@link syncEntry}.
   */
  async createIn<T>(directory: string, create: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#make(directory)
        return await create()
      } catch (error) {
        // Node's recursive mkdir says ENOTDIR when what it met is gone again before it looks what it was.
        if (!isAbsence(error) || attempt === attemptsMax) throw error
      }
    }
  }

  /** Resolves when the entries of `directory`, and the names that lead to it from the root, are durable. */
  async syncEntry(directory: string): Promise<void> {
    const names: string[] = []
    const remakes = this.#remakes
    for (let child = directory; child !== this.#root && !this.#durable.has(child); child = dirname(child)) names.push(child)
    await allEnded([this.sync(directory), ...names.map((name) => this.sync(dirname(name)))])
    if (remakes === this.#remakes) for (const name of names) this.#remember(name, directory)
  }

  /** Removes `directory` and its parents below `top` as long as they are empty; returns the one that stays. */
  async removeEmpty(directory: string, top: string): Promise<string> {
    let current = directory
    while (current !== top) {
      try {
        await this.#files.rmdir(current)
      } catch (error) {
        if (!isAbsence(error)) return current
      }
      current = dirname(current)
    }
    return current
  }

  /** Removes `directory` if it is empty and below `top`; returns the one that stays, which may be empty. */
  async removeOne(directory: string, top: string): Promise<string> {
    if (directory === top) return directory
    try {
      await this.#files.rmdir(directory)
    } catch (error) {
      if (!isAbsence(error)) return directory
    }
    return dirname(directory)
  }

  /** Makes the root where it is missing, its own name durable. */
  makeRoot(): Promise<void> {
    this.#rootMade ??= this.#makeRoot().catch((error: unknown) => {
      this.#rootMade = undefined
      throw error
    })
    return this.#rootMade
  }

  async #makeRoot(): Promise<void> {
    await makeDirectory(this.#files, this.#root)
  }

  async #make(directory: string): Promise<void> {
    await this.makeRoot()
    const first = await this.#files.mkdir(directory, { recursive: true })
    if (first === undefined) return
    // A directory made again is not the one that was synced: it is forgotten before anything is put into it.
    for (let made = directory; made.length >= first.length; made = dirname(made)) this.#durable.delete(made)
    if (first !== directory) this.#remakes++
  }

  /** The innermost directory of a key is one of very many, and the first that a delete removes: it is not worth remembering. */
  #remember(name: string, innermost: string): void {
    const lasting = name !== innermost || dirname(name) === this.#root
    if (lasting && this.#durable.size < knownMax) this.#durable.add(name)
  }

  #startSync(directory: string): Promise<void> {
    const sync: Sync = { running: this.#syncNow(directory), following: undefined }
    this.#syncs.set(directory, sync)
    const finish = () => {
      if (this.#syncs.get(directory) === sync && sync.following === undefined) this.#syncs.delete(directory)
    }
    sync.running.then(finish, finish)
    return sync.running
  }

  #syncNow(directory: string): Promise<void> {
    return syncDirectory(this.#files, directory, this.#gate)
  }
}

/** Makes a directory where it is missing, and those above it, their names durable: a power failure must not take away the directory that data is in. */
export async function makeDirectory(files: Pick<Files, 'mkdir' | 'open'>, path: string): Promise<void> {
  const first = await files.mkdir(path, { recursive: true })
  if (first === undefined) return
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(files, dirname(made))
}

/** Makes the names in a directory durable, where the file system knows how. */
export async function syncDirectory(files: Pick<Files, 'open'>, directory: string, gate = new SyncGate()): Promise<void> {
  await using handle = await files.open(directory, 'r')
  try {
    await gate.run(() => handle.sync())
  } catch (error) {
    if (!unsyncable.has(systemCode(error) ?? '')) throw error
  }
}
