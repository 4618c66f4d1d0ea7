/** An archive that comes by standard input. A backup is read from its end, so what cannot be read twice is put into a file first. */
import { fstatSync } from 'node:fs'
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { CommandFailure } from './command-failure.ts'

/** Disposing closes it, and then it is gone. */
export interface ArchiveInput extends AsyncDisposable {
  readonly name: string
  readonly handle: FileHandle
}

const name = 'standard input'

/** Standard input as a file: itself where it is one, else a copy below TMPDIR, which nothing but this process can find. Memory holds a piece of it. */
export async function archiveInput(signal: AbortSignal): Promise<ArchiveInput> {
  if (process.stdin.isTTY) throw new CommandFailure('no archive comes by standard input: put one there (- < today.tar)')
  if (fstatSync(0).isFile()) return inputOf(await open('/dev/stdin', 'r'))
  const handle = await unnamedFile()
  try {
    for await (const piece of addAbortSignal(signal, process.stdin) as AsyncIterable<Buffer>) await handle.writeFile(piece)
    return inputOf(handle)
  } catch (error) {
    await handle.close()
    throw signal.aborted ? signal.reason : told(error)
  }
}

function inputOf(handle: FileHandle): ArchiveInput {
  return { name, handle, [Symbol.asyncDispose]: () => handle.close() }
}

/** Without a name from its first byte on: a kill leaves nothing. */
async function unnamedFile(): Promise<FileHandle> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-archive-'))
  try {
    return await open(join(directory, 'archive.tar'), 'wx+', 0o600)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function told(error: unknown): unknown {
  const isFull = error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
  if (!isFull) return error
  return new CommandFailure(
    `the archive does not fit into ${tmpdir()}, where it waits until it is restored: name a larger place in TMPDIR, or give the archive as a file`,
    { cause: error },
  )
}
