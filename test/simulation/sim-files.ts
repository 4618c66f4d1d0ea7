/** The files port of a simulated process: each call is an event that may fail, be late, or never end because the process dies. */
import type { FileHandle } from 'node:fs/promises'
import { Buffer } from 'node:buffer'
import type { Files } from '#lib/ports.ts'
import { systemError, type DirectoryNode, type Disk, type DiskNode, type FileNode } from './disk.ts'

/** How a call reaches the disk. `cutShort`: what a kill in the middle of it may have done. */
export type Perform = <T>(
  call: { readonly name: string; readonly path: string; readonly node?: DiskNode },
  act: () => T,
  cutShort?: () => void,
) => Promise<T>

/** Acts at once and never fails: for who only looks. */
export const performNow: Perform = async (_call, act) => act()

interface SimStats {
  readonly size: number
  readonly mtimeMs: number
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

function statsOf(node: DiskNode): SimStats & { readonly dev: number; readonly ino: number; readonly nlink: number; readonly mtime: Date } {
  return {
    dev: 1,
    ino: node.id,
    nlink: 1,
    size: node.kind === 'file' ? node.bytes.length : 0,
    mtimeMs: node.modifiedAt,
    mtime: new Date(node.modifiedAt),
    isFile: () => node.kind === 'file',
    isDirectory: () => node.kind === 'directory',
    isSymbolicLink: () => false,
  }
}

function entriesOf(path: string, directory: DirectoryNode, isRecursive: boolean): object[] {
  return [...directory.names].flatMap(([name, node]) => {
    const entry = {
      name,
      parentPath: path,
      path,
      isFile: () => node.kind === 'file',
      isDirectory: () => node.kind === 'directory',
      isSymbolicLink: () => false,
    }
    return isRecursive && node.kind === 'directory' ? [entry, ...entriesOf(`${path}/${name}`, node, true)] : [entry]
  })
}

class SimHandle {
  readonly #disk: Disk
  readonly #node: DiskNode
  readonly #path: string
  readonly #perform: Perform
  #isClosed = false

  constructor(disk: Disk, { node, path, perform }: { node: DiskNode; path: string; perform: Perform }) {
    this.#disk = disk
    this.#node = node
    this.#path = path
    this.#perform = perform
  }

  #call<T>(name: string, act: (node: DiskNode) => T, cutShort?: () => void): Promise<T> {
    if (this.#isClosed) return Promise.reject(systemError('EBADF', name, this.#path))
    return this.#perform({ name: `handle.${name}`, path: this.#path, node: this.#node }, () => act(this.#node), cutShort)
  }

  #file(syscall: string): FileNode {
    if (this.#node.kind !== 'file') throw systemError('EISDIR', syscall, this.#path)
    return this.#node
  }

  read(buffer: Buffer, offset = 0, length = buffer.length - offset, position = 0) {
    return this.#call('read', () => {
      const file = this.#file('read')
      return { bytesRead: file.bytes.copy(buffer, offset, position, Math.min(file.bytes.length, position + length)), buffer }
    })
  }

  write(buffer: Buffer, offset = 0, length = buffer.length - offset, position = 0) {
    const bytes = Buffer.from(buffer.subarray(offset, offset + length))
    return this.#call(
      'write',
      () => ({ bytesWritten: this.#disk.write(this.#file('write'), bytes, position), buffer }),
      () => void this.#disk.write(this.#file('write'), bytes.subarray(0, Math.ceil(bytes.length / 2)), position),
    )
  }

  writev(buffers: readonly Uint8Array[], position = 0) {
    const bytes = Buffer.concat(buffers)
    return this.#call(
      'write',
      () => ({ bytesWritten: this.#disk.write(this.#file('write'), bytes, position), buffers }),
      () => void this.#disk.write(this.#file('write'), bytes.subarray(0, Math.ceil(bytes.length / 2)), position),
    )
  }

  datasync() {
    return this.#call('sync', (node) => this.#disk.sync(node))
  }

  sync() {
    return this.#call(this.#node.kind === 'directory' ? 'syncDirectory' : 'sync', (node) => this.#disk.sync(node))
  }

  stat() {
    return this.#call('stat', statsOf)
  }

  truncate(length = 0) {
    return this.#call('truncate', () => this.#disk.truncate(this.#file('truncate'), length))
  }

  readFile() {
    return this.#call('read', () => Buffer.from(this.#file('read').bytes))
  }

  async close() {
    this.#isClosed = true
  }

  [Symbol.asyncDispose]() {
    return this.close()
  }
}

/** The port. */
export function filesPort(disk: Disk, perform: Perform): Files {
  const files = {
    open: (path: string, flags = 'r') =>
      perform({ name: 'open', path }, () => new SimHandle(disk, { node: disk.open(path, flags), path, perform }) as unknown as FileHandle),
    mkdir: (path: string, options?: { recursive?: boolean }) =>
      perform({ name: 'mkdir', path }, () => disk.mkdir(path, options?.recursive === true)),
    rename: (from: string, to: string) => perform({ name: 'rename', path: to }, () => disk.rename(from, to)),
    unlink: (path: string) => perform({ name: 'unlink', path }, () => disk.unlink(path)),
    rmdir: (path: string) => perform({ name: 'rmdir', path }, () => disk.rmdir(path)),
    link: (from: string, to: string) => perform({ name: 'link', path: to }, () => disk.link(from, to)),
    stat: (path: string) => perform({ name: 'stat', path }, () => statsOf(disk.require(path, 'stat'))),
    lstat: (path: string) => perform({ name: 'stat', path }, () => statsOf(disk.require(path, 'lstat'))),
    access: (path: string) => perform({ name: 'stat', path }, () => void disk.require(path, 'access')),
    statfs: (path: string) => perform({ name: 'stat', path }, () => ({ bavail: 1e9, blocks: 2e9, bsize: 4096, bfree: 1e9 })),
    readFile: (path: string) =>
      perform({ name: 'read', path }, () => {
        const node = disk.require(path, 'open')
        if (node.kind !== 'file') throw systemError('EISDIR', 'read', path)
        return Buffer.from(node.bytes)
      }),
    readdir: (path: string, options?: { withFileTypes?: boolean; recursive?: boolean }) =>
      perform({ name: 'readdir', path }, () => {
        const node = disk.require(path, 'scandir')
        if (node.kind !== 'directory') throw systemError('ENOTDIR', 'scandir', path)
        return options?.withFileTypes === true ? entriesOf(path, node, options.recursive === true) : [...node.names.keys()]
      }),
    opendir: (path: string) =>
      perform({ name: 'readdir', path }, () => {
        const node = disk.require(path, 'opendir')
        if (node.kind !== 'directory') throw systemError('ENOTDIR', 'opendir', path)
        const entries = entriesOf(path, node, false).values()
        return Object.assign(entries, { close: async () => undefined, read: async () => entries.next().value ?? null })
      }),
  }
  const refused = (name: string) => () => {
    throw new Error(`the simulated disk has no ${name}`)
  }
  return { ...files, rm: refused('rm'), copyFile: refused('copyFile') } as unknown as Files
}
