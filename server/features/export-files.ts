/**
 * Writing a directory so that whatever is under a name is whole: new content comes from a temporary file by rename, or from a hard link. What is there
 * already with the same content is left alone, so a second run costs only looking.
 */
import { execFile } from 'node:child_process'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Ports } from '#lib/ports.ts'
import { mapLimited } from '#lib/map-limited.ts'

/** Holds the state of the export and its temporary files; registry:2 never looks there. */
export const exportMark = '.berth-export'

const syncsAtOnce = 16
const entriesInBatch = 256
/** A hard link cannot be made here: another device, a file system without them, too many already. */
const linkRefusals = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES'])

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? ''
}

/** The directory that is written; `random` names the temporary files in it. */
export interface ExportDirectory {
  readonly ports: Pick<Ports, 'files' | 'random'>
  /** Absolute. */
  readonly path: string
}

/** Size of the regular file below the directory, undefined when there is none. */
export async function exportedSize({ ports, path }: ExportDirectory, name: string): Promise<number | undefined> {
  try {
    const stat = await ports.files.lstat(join(path, name))
    return stat.isFile() ? stat.size : undefined
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Makes `name` by what `fill` writes into a new file; when it throws, nothing is left. */
export async function writeWhole(directory: ExportDirectory, name: string, fill: (handle: FileHandle) => Promise<void>): Promise<void> {
  const { files, random } = directory.ports
  const temporary = join(directory.path, exportMark, `${random.uuid()}.tmp`)
  const target = join(directory.path, name)
  try {
    await using handle = await files.open(temporary, 'wx')
    await fill(handle)
    await files.mkdir(dirname(target), { recursive: true })
    await files.rename(temporary, target)
  } catch (error) {
    await files.rm(temporary, { force: true })
    throw error
  }
}

/** Makes `name` have these bytes; false when it had them. */
export async function writeBytes(directory: ExportDirectory, name: string, bytes: Buffer): Promise<boolean> {
  if ((await exportedSize(directory, name)) === bytes.length) {
    const present = await directory.ports.files.readFile(join(directory.path, name))
    if (present.equals(bytes)) return false
  }
  await writeWhole(directory, name, (handle) => handle.writeFile(bytes))
  return true
}

/** Makes `name` another name of the file at `source`. `'refused'`: bytes must be copied; `'absent'`: there is no such file. */
export async function linkFile(directory: ExportDirectory, name: string, source: string): Promise<'linked' | 'refused' | 'absent'> {
  const { files, random } = directory.ports
  const target = join(directory.path, name)
  // By a temporary name too: a wrong file from elsewhere may be under the name.
  const temporary = join(directory.path, exportMark, `${random.uuid()}.tmp`)
  try {
    await files.link(source, temporary)
    await files.mkdir(dirname(target), { recursive: true })
    await files.rename(temporary, target)
    // Renaming one name of a file to another of its names leaves both.
    await files.rm(temporary, { force: true })
    return 'linked'
  } catch (error) {
    await files.rm(temporary, { force: true })
    if (linkRefusals.has(codeOf(error))) return 'refused'
    if (codeOf(error) === 'ENOENT') return 'absent'
    throw error
  }
}

/**
 * Makes everything written durable. Node has no syncfs, and a sync of each link costs a journal commit each (measured: an export of 24,500 tags took
 * 120 s so, and 21 s this way), so the system's `sync -f` does it where there is one.
 */
export async function syncAll(directory: ExportDirectory, signal: AbortSignal): Promise<void> {
  try {
    await promisify(execFile)('sync', ['-f', directory.path], { signal })
  } catch {
    signal.throwIfAborted()
    for (const name of ['docker', exportMark]) await syncTree(directory, name, signal)
  }
}

/** Makes everything below `name` durable: first the files, then the directory that names them. */
async function syncTree(directory: ExportDirectory, name: string, signal: AbortSignal): Promise<void> {
  const waiting = [{ name, isListed: false }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    signal.throwIfAborted()
    if (next.isListed) {
      await syncOne(directory, next.name)
      continue
    }
    waiting.push({ ...next, isListed: true })
    for (const child of await syncFilesIn(directory, next.name)) waiting.push({ name: child, isListed: false })
  }
}

async function syncFilesIn(directory: ExportDirectory, name: string): Promise<string[]> {
  const directories: string[] = []
  let files: string[] = []
  const flush = async () => {
    await mapLimited(files, syncsAtOnce, (file) => syncOne(directory, file))
    files = []
  }
  for await (const entry of await directory.ports.files.opendir(join(directory.path, name))) {
    if (entry.isDirectory()) directories.push(`${name}/${entry.name}`)
    else if (entry.isFile()) files.push(`${name}/${entry.name}`)
    if (files.length >= entriesInBatch) await flush()
  }
  await flush()
  return directories
}

async function syncOne({ ports, path }: ExportDirectory, name: string): Promise<void> {
  await using handle = await ports.files.open(join(path, name), 'r')
  await handle.sync()
}
