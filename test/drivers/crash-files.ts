/**
 * A files port for power failures. The store works on a real directory; beside it stands what a disk would hold that keeps nothing which was not
 * synced: the content of a file as of its last fdatasync (nothing at all before the first), the names in a directory as of its last fsync.
 * That is harsher than any journaling file system, and exactly what POSIX promises.
 */
import { fstatSync, readSync } from 'node:fs'
import { mkdir, writeFile, type FileHandle } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { systemPorts, type Files } from '#lib/ports.ts'
import { interceptCalls } from './faulty-files.ts'

interface FileNode {
  readonly kind: 'file'
  content: Buffer | undefined
}

interface DirectoryNode {
  readonly kind: 'directory'
  live: Map<string, Node>
  durable: Map<string, Node>
}

type Node = FileNode | DirectoryNode

/** Paths below the root with what would be in them. */
export type DiskImage = ReadonlyMap<string, Buffer>

export interface CrashFiles {
  readonly files: Files
  /** What a power failure at this moment leaves. A file that was never synced is there, but empty, if its name was synced. */
  image(): DiskImage
  /** Called before and after every function that changes names or syncs. */
  onStep: () => void
}

/** `root` exists and its own name is durable. */
export function crashFiles(root: string): CrashFiles {
  const top = newDirectory()
  const base = systemPorts.files
  const find = (path: string) => walk(top, partsOf(root, path))
  const crash: CrashFiles = { files: base, image: () => imageOf(top), onStep: () => undefined }
  const stepping = async <T>(run: () => Promise<T>): Promise<T> => {
    crash.onStep()
    const result = await run()
    crash.onStep()
    return result
  }
  const changes: Record<string, (...args: string[]) => void> = {
    mkdir: (path = '') => makeAll(top, partsOf(root, path)),
    rename: (from = '', to = '') => {
      const node = find(from)
      const target = parentOf(find, to)
      if (node === undefined || target === undefined) return
      parentOf(find, from)?.live.delete(nameOf(from))
      target.live.set(nameOf(to), node)
    },
    unlink: (path = '') => void parentOf(find, path)?.live.delete(nameOf(path)),
    rmdir: (path = '') => void parentOf(find, path)?.live.delete(nameOf(path)),
    open: (path = '') => {
      const parent = parentOf(find, path)
      if (parent !== undefined && !parent.live.has(nameOf(path))) parent.live.set(nameOf(path), { kind: 'file', content: undefined })
    },
  }
  const files = interceptCalls(base, (name, call) => (...args: never[]) => {
    const change = changes[name]
    if (change === undefined) return call(...args)
    return stepping(async () => {
      const result = await call(...args)
      change(...(args as string[]))
      return name === 'open' ? trackSyncs(result as FileHandle, { path: String(args[0]), node: find(String(args[0])), stepping }) : result
    })
  })
  return Object.assign(crash, { files })
}

/** Writes an image to a directory, as the disk that the next start finds. */
export async function restore(image: DiskImage, root: string): Promise<void> {
  for (const [path, content] of image) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
}

interface Tracked {
  readonly path: string
  readonly node: Node | undefined
  readonly stepping: <T>(run: () => Promise<T>) => Promise<T>
}

function trackSyncs(handle: FileHandle, { node, stepping }: Tracked): FileHandle {
  return interceptCalls(handle, (name, call) => (...args: never[]) => {
    if (name !== 'sync' && name !== 'datasync') return call(...args)
    // What comes while a sync runs is not covered by it: the state is taken before.
    const before = stateOf(node, handle)
    return stepping(async () => {
      const result = await call(...args)
      if (node?.kind === 'file' && before instanceof Buffer) node.content = before
      if (node?.kind === 'directory' && before instanceof Map) node.durable = before
      return result
    })
  })
}

function stateOf(node: Node | undefined, handle: FileHandle): Buffer | Map<string, Node> | undefined {
  if (node === undefined) return undefined
  if (node.kind === 'directory') return new Map(node.live)
  // By descriptor: the file may have been renamed since it was opened.
  const content = Buffer.alloc(fstatSync(handle.fd).size)
  readSync(handle.fd, content, 0, content.length, 0)
  return content
}

function newDirectory(): DirectoryNode {
  return { kind: 'directory', live: new Map(), durable: new Map() }
}

function partsOf(root: string, path: string): string[] {
  const inside = relative(root, path)
  return inside === '' ? [] : inside.split(sep)
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf(sep) + 1)
}

function parentOf(find: (path: string) => Node | undefined, path: string): DirectoryNode | undefined {
  const parent = find(dirname(path))
  return parent?.kind === 'directory' ? parent : undefined
}

function walk(top: DirectoryNode, parts: readonly string[]): Node | undefined {
  let node: Node | undefined = top
  for (const part of parts) node = node?.kind === 'directory' ? node.live.get(part) : undefined
  return node
}

function makeAll(top: DirectoryNode, parts: readonly string[]): void {
  let directory = top
  for (const part of parts) {
    const existing = directory.live.get(part)
    const next = existing?.kind === 'directory' ? existing : newDirectory()
    directory.live.set(part, next)
    directory = next
  }
}

function imageOf(directory: DirectoryNode, prefix = ''): Map<string, Buffer> {
  const image = new Map<string, Buffer>()
  for (const [name, node] of directory.durable) {
    if (node.kind === 'file') image.set(prefix + name, node.content ?? Buffer.alloc(0))
    else for (const [path, content] of imageOf(node, `${prefix}${name}/`)) image.set(path, content)
  }
  return image
}
