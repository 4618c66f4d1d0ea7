/** An archive on its way: to a file that gets its name when all of it is on the disk, or to standard output. */
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CommandFailure } from './command-failure.ts'
import { flushed } from './flushed.ts'

/** Where the bytes go. */
export interface ArchiveOutput {
  readonly name: string
  /** Of a file. */
  readonly path?: string
  readonly sink: (bytes: Uint8Array) => Promise<void>
}

/** Runs with the file, which is there only when that succeeds; one that is there already is not replaced. */
export async function withArchiveFile<T>(path: string, run: (output: ArchiveOutput) => Promise<T>): Promise<T> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  )
  if (isThere) throw new CommandFailure(`${path} is there already: an archive holds one backup, and is written once`)
  const unfinished = `${path}.unfinished`
  try {
    await using handle = await open(unfinished, 'w', 0o600)
    const result = await run({ name: path, path, sink: (bytes) => handle.writeFile(bytes) })
    await handle.sync()
    await rename(unfinished, path)
    await using directory = await open(dirname(path), 'r')
    await directory.sync()
    return result
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

/** Standard output, as slowly as its reader takes it. */
export const standardOutput: ArchiveOutput = {
  name: 'standard output',
  async sink(bytes) {
    process.stdout.write(bytes)
    if (process.stdout.writableNeedDrain && !(await flushed(process.stdout))) throw new Error('nobody reads the archive any more')
  },
}
