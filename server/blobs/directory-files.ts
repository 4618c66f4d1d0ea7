/** Files by name in a directory: each is written beside its place, made durable, and then gets its name. */
import type { Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Files, Random } from '#lib/ports.ts'
import { makeDirectory, syncDirectory } from './directories.ts'
import { checkFileName, exactPieces, type FileContent, type NamedFile, type NamedFiles } from './named-files.ts'
import { isAbsence, storageError } from './storage-error.ts'

/** Where files are that have no name yet. */
const unfinished = 'unfinished'
const readBytes = 512 * 1024

/** Of {@link createDirectoryFiles}. */
export interface DirectoryFilesOptions {
  /** Absolute. Made with the first file. */
  readonly path: string
  readonly files: Files
  readonly random: Pick<Random, 'uuid'>
  /** Asked before something is written, listed or called absent: throws where the directory is not the one that is meant (a disk that is not mounted). */
  readonly require?: (() => Promise<void>) | undefined
}

/** Files in that directory. */
export function createDirectoryFiles(options: DirectoryFilesOptions): NamedFiles {
  return new DirectoryFiles(options)
}

class DirectoryFiles implements NamedFiles {
  readonly place: string
  readonly #options: DirectoryFilesOptions

  constructor(options: DirectoryFilesOptions) {
    this.#options = options
    this.place = options.path
  }

  put(name: string, content: FileContent): Promise<void> {
    return translated(async () => {
      checkFileName(name)
      const { path, files, random, require } = this.#options
      await require?.()
      const [target, temporary] = [join(path, name), join(path, unfinished, random.uuid())]
      await makeDirectory(files, join(path, unfinished))
      await makeDirectory(files, dirname(target))
      try {
        await using handle = await files.open(temporary, 'wx', 0o600)
        // On a handle this writes all of a piece, where the last one ended.
        for await (const piece of exactPieces(content)) await handle.writeFile(piece)
        await handle.sync()
        await files.rename(temporary, target)
      } catch (error) {
        await files.rm(temporary, { force: true }).catch(() => undefined)
        throw error
      }
      await syncDirectory(files, dirname(target))
    })
  }

  stat(name: string): Promise<{ readonly sizeBytes: number } | undefined> {
    return translated(async () => {
      checkFileName(name)
      const facts = await this.#look(join(this.#options.path, name))
      return facts?.isFile() === true ? { sizeBytes: facts.size } : undefined
    })
  }

  read(name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    return translated(async () => {
      checkFileName(name)
      const path = join(this.#options.path, name)
      const facts = await this.#look(path)
      return facts?.isFile() === true ? piecesOf(this.#options.files, path, signal) : undefined
    })
  }

  async *list(directory: string): AsyncGenerator<NamedFile> {
    const { path, files, require } = this.#options
    await require?.()
    const waiting = [directory]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const names = (await files.readdir(join(path, next)).catch(absentAsUndefined)) ?? []
      for (const each of names) {
        const name = `${next}${each}`
        const facts = await files.lstat(join(path, name)).catch(absentAsUndefined)
        if (facts?.isDirectory() === true && name !== unfinished) waiting.push(`${name}/`)
        else if (facts?.isFile() === true) yield { name, sizeBytes: facts.size, modifiedAt: facts.mtimeMs }
      }
    }
  }

  remove(names: readonly string[]): Promise<void> {
    return translated(async () => {
      const { path, files, require } = this.#options
      await require?.()
      for (const name of names) {
        checkFileName(name)
        await files.unlink(join(path, name)).catch(absentAsUndefined)
        await this.#removeEmpty(dirname(name))
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #look(path: string): Promise<Stats | undefined> {
    const { files, require } = this.#options
    const facts = await files.stat(path).catch(absentAsUndefined)
    if (facts === undefined) await require?.()
    return facts
  }

  /** A directory that is not empty, or is gone, ends it. */
  async #removeEmpty(directory: string): Promise<void> {
    const { path, files } = this.#options
    for (let current = directory; current !== '.'; current = dirname(current)) {
      const isRemoved = await files.rmdir(join(path, current)).then(
        () => true,
        () => false,
      )
      if (!isRemoved) return
    }
  }
}

async function* piecesOf(files: Files, path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    await using handle = await files.open(path, 'r')
    for (;;) {
      signal.throwIfAborted()
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(readBytes), 0, readBytes)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } catch (error) {
    throw storageError(error)
  }
}

async function translated<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw storageError(error)
  }
}

function absentAsUndefined(error: unknown): undefined {
  if (!isAbsence(error)) throw error
}
