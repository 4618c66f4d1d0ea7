/**
 * A disk in memory that forgets: what programs see (the page cache) and what a power cut leaves are two states. The bytes of a file are durable as of its last
 * sync, the names in a directory as of the directory's; a power cut leaves of everything else some, torn, or nothing, each name and each file for itself.
 * That is harsher than any journaling file system, and what POSIX promises.
 */
import type { SeededRandom } from './random.ts'

export interface FileNode {
  readonly kind: 'file'
  readonly id: number
  bytes: Buffer
  durable: Buffer
  /** A sync of these bytes failed: the system has dropped them and calls the next sync a success. */
  lost: (readonly [start: number, end: number])[]
  dirty: (readonly [start: number, end: number])[]
  modifiedAt: number
}

export interface DirectoryNode {
  readonly kind: 'directory'
  readonly id: number
  names: Map<string, DiskNode>
  durable: Map<string, DiskNode>
  modifiedAt: number
}

export type DiskNode = FileNode | DirectoryNode

/** An error as node makes it of the system's. */
export function systemError(code: string, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${syscall} '${path}'`), { code, syscall, errno: -1, path })
}

/** Paths are absolute, parts between `/`. */
function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '')
}

/** The whole file system. Its functions act at once; sim-files.ts makes them wait. */
export class Disk {
  readonly #now: () => number
  readonly root: DirectoryNode
  #nodes = 0
  /** Told of each file that loses a name. */
  onUnlink: (path: string) => void = () => undefined

  constructor(now: () => number) {
    this.#now = now
    this.root = this.#newDirectory()
  }

  #newDirectory(): DirectoryNode {
    return { kind: 'directory', id: ++this.#nodes, names: new Map(), durable: new Map(), modifiedAt: this.#now() }
  }

  find(path: string): DiskNode | undefined {
    let node: DiskNode | undefined = this.root
    for (const part of partsOf(path)) {
      if (node?.kind !== 'directory') return undefined
      node = node.names.get(part)
    }
    return node
  }

  #parentOf(path: string, syscall: string): { readonly parent: DirectoryNode; readonly name: string } {
    const parts = partsOf(path)
    const name = parts.pop() ?? ''
    const parent = this.find(`/${parts.join('/')}`)
    if (parent === undefined) throw systemError('ENOENT', syscall, path)
    if (parent.kind !== 'directory') throw systemError('ENOTDIR', syscall, path)
    return { parent, name }
  }

  require(path: string, syscall: string): DiskNode {
    const node = this.find(path)
    if (node === undefined) throw systemError('ENOENT', syscall, path)
    return node
  }

  open(path: string, flags: string): DiskNode {
    if (flags === 'r' || flags === 'r+') return this.require(path, 'open')
    const { parent, name } = this.#parentOf(path, 'open')
    const existing = parent.names.get(name)
    if (existing !== undefined) {
      if (flags.includes('x')) throw systemError('EEXIST', 'open', path)
      return existing
    }
    const file: FileNode = {
      kind: 'file',
      id: ++this.#nodes,
      bytes: Buffer.alloc(0),
      durable: Buffer.alloc(0),
      lost: [],
      dirty: [],
      modifiedAt: this.#now(),
    }
    parent.names.set(name, file)
    return file
  }

  mkdir(path: string, recursive: boolean): string | undefined {
    if (!recursive) {
      const { parent, name } = this.#parentOf(path, 'mkdir')
      if (parent.names.has(name)) throw systemError('EEXIST', 'mkdir', path)
      parent.names.set(name, this.#newDirectory())
      return undefined
    }
    let first: string | undefined
    let at = ''
    let directory = this.root
    for (const part of partsOf(path)) {
      at += `/${part}`
      let next = directory.names.get(part)
      if (next === undefined) {
        next = this.#newDirectory()
        directory.names.set(part, next)
        first ??= at
      }
      if (next.kind !== 'directory') throw systemError('ENOTDIR', 'mkdir', path)
      directory = next
    }
    return first
  }

  rename(from: string, to: string): void {
    const source = this.#parentOf(from, 'rename')
    const node = source.parent.names.get(source.name)
    if (node === undefined) throw systemError('ENOENT', 'rename', from)
    const target = this.#parentOf(to, 'rename')
    source.parent.names.delete(source.name)
    target.parent.names.set(target.name, node)
  }

  link(from: string, to: string): void {
    const node = this.require(from, 'link')
    const target = this.#parentOf(to, 'link')
    if (target.parent.names.has(target.name)) throw systemError('EEXIST', 'link', to)
    target.parent.names.set(target.name, node)
  }

  unlink(path: string): void {
    const { parent, name } = this.#parentOf(path, 'unlink')
    const node = parent.names.get(name)
    if (node === undefined) throw systemError('ENOENT', 'unlink', path)
    if (node.kind !== 'file') throw systemError('EISDIR', 'unlink', path)
    parent.names.delete(name)
    this.onUnlink(path)
  }

  rmdir(path: string): void {
    const { parent, name } = this.#parentOf(path, 'rmdir')
    const node = parent.names.get(name)
    if (node === undefined) throw systemError('ENOENT', 'rmdir', path)
    if (node.kind !== 'directory') throw systemError('ENOTDIR', 'rmdir', path)
    if (node.names.size > 0) throw systemError('ENOTEMPTY', 'rmdir', path)
    parent.names.delete(name)
  }

  /** Gives how many bytes it took. */
  write(file: FileNode, bytes: Uint8Array, position: number): number {
    const end = position + bytes.length
    if (end > file.bytes.length) {
      const grown = Buffer.alloc(end)
      file.bytes.copy(grown)
      file.bytes = grown
    }
    file.bytes.set(bytes, position)
    file.dirty.push([position, end])
    file.modifiedAt = this.#now()
    return bytes.length
  }

  truncate(file: FileNode, length: number): void {
    const next = Buffer.alloc(length)
    file.bytes.copy(next)
    file.dirty.push([Math.min(length, file.bytes.length), Math.max(length, file.bytes.length)])
    file.bytes = next
    file.modifiedAt = this.#now()
  }

  sync(node: DiskNode): void {
    if (node.kind === 'directory') {
      node.durable = new Map(node.names)
      return
    }
    const durable = Buffer.from(node.bytes)
    for (const [start, end] of node.lost) durable.fill(0, Math.min(start, durable.length), Math.min(end, durable.length))
    node.durable = durable
    node.dirty = []
  }

  /** What was written since the last sync never gets to the disk, and nobody will say so again. */
  failSync(node: DiskNode): void {
    if (node.kind === 'directory') return
    node.lost.push(...node.dirty)
    node.dirty = []
  }

  /** All files below a directory, by their paths. */
  *files(path: string, node = this.find(path)): Generator<readonly [path: string, file: FileNode]> {
    if (node === undefined) return
    if (node.kind === 'file') yield [path, node]
    else for (const [name, child] of node.names) yield* this.files(`${path}/${name}`, child)
  }

  /** Power is gone and comes back: what was not synced is there, torn, or not. */
  cutPower(random: SeededRandom): void {
    this.#cutDirectory(this.root, { random, seen: new Set() })
  }

  #cutDirectory(directory: DirectoryNode, cut: { readonly random: SeededRandom; readonly seen: Set<DiskNode> }): void {
    const { random, seen } = cut
    if (seen.has(directory)) return
    seen.add(directory)
    const names = [...new Set([...directory.durable.keys(), ...directory.names.keys()])].sort()
    const left = new Map<string, DiskNode>()
    for (const name of names) {
      const [live, durable] = [directory.names.get(name), directory.durable.get(name)]
      const node = live === durable || random.chance(50) ? durable : live
      if (node !== undefined) left.set(name, node)
    }
    directory.names = left
    directory.durable = new Map(left)
    for (const node of left.values()) {
      if (node.kind === 'directory') this.#cutDirectory(node, cut)
      else if (!seen.has(node)) {
        seen.add(node)
        cutFile(node, random)
      }
    }
  }
}

function cutFile(file: FileNode, random: SeededRandom): void {
  if (file.dirty.length > 0 || file.lost.length > 0 || file.bytes.length !== file.durable.length) file.bytes = tornBytes(file, random)
  file.durable = Buffer.from(file.bytes)
  file.dirty = []
  file.lost = []
}

function tornBytes({ bytes, durable, dirty, lost }: FileNode, random: SeededRandom): Buffer {
  const fate = random.below(3)
  if (fate === 0) return Buffer.from(durable)
  const length =
    fate === 1 ? bytes.length : Math.min(durable.length, bytes.length) + random.below(Math.abs(bytes.length - durable.length) + 1)
  const torn = Buffer.alloc(length)
  bytes.copy(torn)
  // Of what was not synced each piece may be missing; a file system shows zeros there.
  for (const [start, end] of [...lost, ...(fate === 1 ? [] : dirty)])
    if (random.chance(50)) torn.fill(0, Math.min(start, length), Math.min(end, length))
  return torn
}
