/**
 * Blobs in a directory: uploads at `uploads/<id>`, a blob at its key.
 *
 * The problem: after 201 a power failure must not take the blob away, a full or failing disk must not make anything look durable that is not,
 * and a delete must not take the directory that a push is about to use. The way: write, fdatasync, rename to the key, fsync of every directory
 * that got a name (see directories.ts); a file whose sync failed is removed, never trusted and never synced again; the making of directories
 * is repeated when a delete comes in between. Several processes may share a root: ids and keys are random, and no file is ever written by two.
 *
 * The root of a registry:2 is a root of this store too: its blobs are keys like any other.
 */
import assert from 'node:assert'
import type { Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { readFileRange } from '#lib/pooled-read.ts'
import type { Files, Random } from '#lib/ports.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { newBlobKey, type BlobKey, type BlobStore, type BlobWriter, type KeyListing, type KeyPage, type OpenBlob } from './blob-store.ts'
import { allEnded } from './all-ended.ts'
import { Directories } from './directories.ts'
import { FilesystemWriter } from './filesystem-writer.ts'
import { listKeys } from './list-keys.ts'
import { SyncGate } from './sync-gate.ts'
import { checkKey, checkUploadId, isUploadId } from './names.ts'
import { isAbsence, storageError } from './storage-error.ts'
import { directoryLost, isStoreLost, type StoreMark } from './store-mark.ts'

/** Where the store lives, and the file system that it goes through (a simulator hands in its own). */
export interface FilesystemStoreOptions {
  /** Made when missing. */
  readonly rootDirectory: string
  readonly files: Files
  /** Without one nothing tells the store from an empty directory in its place. */
  readonly mark?: Pick<StoreMark, 'require'> | undefined
}

/** Deletes run this many at once: enough to keep a disk busy, few enough to leave threads for pulls. */
const deletesAtOnce = 3

/** A store in a directory. Touches nothing before its first use. */
export function createFilesystemStore(options: FilesystemStoreOptions): BlobStore {
  return new FilesystemStore(options)
}

class FilesystemStore implements BlobStore {
  readonly name = 'filesystem'
  readonly #files: Files
  readonly #root: string
  readonly #uploads: string
  readonly #directories: Directories
  readonly #mark: Pick<StoreMark, 'require'> | undefined
  readonly #syncs = new SyncGate()
  /** Uploads open for writing; 'opening' until there is a writer. */
  readonly #writers = new Map<string, FilesystemWriter | 'opening'>()
  /** Uploads whose sync failed and whose file could not be removed either. */
  readonly #lost = new Set<string>()

  constructor({ rootDirectory, files, mark }: FilesystemStoreOptions) {
    this.#files = files
    this.#mark = mark
    this.#root = resolve(rootDirectory)
    this.#uploads = join(this.#root, 'uploads')
    this.#directories = new Directories(files, this.#root, this.#syncs)
  }

  keyFor(_uploadId: string, digest: Digest, random: Random): BlobKey {
    return newBlobKey(digest, random)
  }

  openUpload(uploadId: string, offsetBytes: number): Promise<BlobWriter> {
    return translated(async () => {
      const path = this.#uploadPath(uploadId)
      assert(Number.isSafeInteger(offsetBytes) && offsetBytes >= 0, 'malformed upload offset')
      assert(!this.#writers.has(uploadId), 'an upload is opened twice')
      this.#writers.set(uploadId, 'opening')
      try {
        const handle = await this.#openForAppending(path, offsetBytes)
        const writer = new FilesystemWriter({
          handle,
          offsetBytes,
          syncBytes: () => this.#syncs.run(() => handle.datasync()),
          syncName: () => this.#syncUploads(),
          onLost: () => this.#removeLost(uploadId),
          onClose: () => this.#writers.delete(uploadId),
        })
        this.#writers.set(uploadId, writer)
        return writer
      } catch (error) {
        this.#writers.delete(uploadId)
        throw error
      }
    })
  }

  statUpload(uploadId: string): Promise<{ readonly sizeBytes: number } | undefined> {
    return translated(async () => {
      const path = this.#uploadPath(uploadId)
      const handle = await this.#look(() => this.#files.open(path, 'r+'))
      if (handle === undefined) return undefined
      await using file = handle
      // The size is taken first: what comes later is not covered by this sync.
      const { size } = await file.stat()
      try {
        await this.#syncs.run(() => file.datasync())
        await this.#syncUploads()
      } catch (error) {
        if (!isStoreLost(error)) await this.#removeLost(uploadId)
        throw error
      }
      return { sizeBytes: size }
    })
  }

  async *readUpload(uploadId: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      const path = this.#uploadPath(uploadId)
      const handle = await this.#look(() => this.#files.open(path, 'r'))
      if (handle === undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
      await using file = handle
      const { size } = await file.stat()
      yield* readFileRange(file, { start: 0, end: size - 1 }, signal)
    } catch (error) {
      throw storageError(error)
    }
  }

  commitUpload(uploadId: string, key: BlobKey): Promise<void> {
    return translated(async () => {
      const source = this.#uploadPath(uploadId)
      const target = this.#blobPath(key)
      const writer = this.#writers.get(uploadId)
      assert(writer !== 'opening', 'an upload is committed while it is being opened')
      writer?.seal()
      await this.#mark?.require()
      const directory = dirname(target)
      const isFirst = await this.#isThere(source)
      if (isFirst) {
        assert(!(await this.#isThere(target)), 'a blob key is used twice')
        await this.#rename(source, target)
      } else if ((await this.#look(() => this.#files.lstat(target))) === undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
      // Else a commit to this key got as far as the rename before the process died: keys are used once, so it was this one.
      try {
        await this.#directories.syncEntry(directory)
      } catch (error) {
        if (isFirst) await this.#removeQuietly(target)
        // The commit took so long that garbage collection took the key for that of a push that died, and its directory with it.
        if (isAbsence(error)) throw new RegistryError('UNAVAILABLE', undefined, { cause: error })
        throw error
      }
    })
  }

  abortUpload(uploadId: string): Promise<void> {
    return translated(async () => {
      checkUploadId(uploadId)
      await this.#unlink(join(this.#uploads, uploadId))
      this.#lost.delete(uploadId)
    })
  }

  async *listUploads(): AsyncGenerator<{ readonly uploadId: string; readonly modifiedAt: number }> {
    try {
      await this.#mark?.require()
      const directory = await this.#files.opendir(this.#uploads).catch(absentAsUndefined)
      if (directory === undefined) return
      for await (const entry of directory) {
        if (!entry.isFile() || !isUploadId(entry.name)) continue
        const facts = await this.#files.lstat(join(this.#uploads, entry.name)).catch(absentAsUndefined)
        if (facts !== undefined) yield { uploadId: entry.name, modifiedAt: facts.mtimeMs }
      }
    } catch (error) {
      throw storageError(error)
    }
  }

  open(key: BlobKey): Promise<OpenBlob | undefined> {
    return translated(async () => {
      const path = this.#blobPath(key)
      const handle = await this.#look(() => this.#files.open(path, 'r'))
      if (handle === undefined) return undefined
      try {
        const facts = await handle.stat()
        if (facts.isFile()) return { kind: 'file', handle, sizeBytes: facts.size }
      } catch (error) {
        await closeQuietly(handle)
        throw error
      }
      await closeQuietly(handle)
      return undefined
    })
  }

  stat(key: BlobKey): Promise<{ readonly sizeBytes: number } | undefined> {
    return translated(async () => {
      const path = this.#blobPath(key)
      const facts = await this.#look(() => this.#files.stat(path))
      return facts?.isFile() === true ? { sizeBytes: facts.size } : undefined
    })
  }

  delete(keys: readonly BlobKey[]): Promise<void> {
    return translated(async () => {
      await this.#mark?.require()
      const paths = keys.map((key) => ({ path: this.#blobPath(key), top: this.#topOf(key) }))
      const failures: unknown[] = []
      // Its own directory goes with each blob; those above, which many share, are tried once for all of them.
      const left = new Map<string, string>()
      const remaining = paths.values()
      const worker = async () => {
        for (const { path, top } of remaining) {
          try {
            await this.#unlink(path)
            left.set(await this.#directories.removeOne(dirname(path), top), top)
          } catch (error) {
            failures.push(error)
          }
        }
      }
      await Promise.all(Array.from({ length: deletesAtOnce }, worker))
      const touched = new Set<string>()
      for (const [directory, top] of left) touched.add(await this.#directories.removeEmpty(directory, top))
      // The caller forgets the rows next: a name that came back after a crash would be nobody's.
      await allEnded([...touched].map((directory) => this.#syncRemoval(directory)))
      if (failures.length > 0) throw failures[0]
    })
  }

  list(listing: KeyListing): Promise<KeyPage> {
    return translated(async () => {
      await this.#mark?.require()
      const page = await listKeys({ files: this.#files, root: this.#root }, listing)
      // What went away in the middle looked like directories without files.
      await this.#mark?.require()
      return page
    })
  }

  async requireThere(): Promise<void> {
    await this.#mark?.require()
  }

  space(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
    return translated(async () => {
      await this.#mark?.require()
      await this.#directories.makeRoot()
      const { bavail, blocks, bsize } = await this.#files.statfs(this.#root)
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const writers = [...this.#writers.values()].filter((writer) => writer !== 'opening')
    await Promise.all(writers.map((writer) => writer[Symbol.asyncDispose]()))
  }

  #uploadPath(uploadId: string): string {
    checkUploadId(uploadId)
    if (this.#lost.has(uploadId)) throw new RegistryError('UNAVAILABLE', undefined, { cause: new Error('a sync of this upload failed') })
    return join(this.#uploads, uploadId)
  }

  #blobPath(key: BlobKey): string {
    checkKey(key)
    return join(this.#root, key)
  }

  /**
   * What is there, or undefined where it is absent from this store, and not from what lies in its place: what is written for an absence (an upload begins
   * anew, a blob is missing) would hold when the disk is back. It may have come back between the two, so it is looked at once more.
   */
  async #look<T extends FileHandle | Stats>(look: () => Promise<T>): Promise<T | undefined> {
    const found = await look().catch(absentAsUndefined)
    if (found !== undefined || this.#mark === undefined) return found
    await this.#mark.require()
    return await look().catch(absentAsUndefined)
  }

  /** Makes the names of uploads durable. A directory that went from under open files takes nothing from them: they are there when it is back. */
  async #syncUploads(): Promise<void> {
    try {
      await this.#directories.syncEntry(this.#uploads)
    } catch (error) {
      if (!isAbsence(error)) throw error
      await this.#mark?.require()
      throw directoryLost(this.#uploads)
    }
  }

  /** The directory below which empty ones are removed: `blobs` of this store or of registry:2's layout; for any other key its own directory. */
  #topOf(key: BlobKey): string {
    const parts = key.split('/')
    const index = parts.slice(0, -1).indexOf('blobs')
    return join(this.#root, ...parts.slice(0, index === -1 ? -1 : index + 1))
  }

  async #openForAppending(path: string, offsetBytes: number): Promise<FileHandle> {
    const open = () => this.#files.open(path, 'r+')
    const existing = await (offsetBytes > 0 ? this.#look(open) : open().catch(absentAsUndefined))
    if (existing === undefined) {
      if (offsetBytes > 0) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
      await this.#mark?.require()
      return this.#directories.createIn(this.#uploads, () => this.#files.open(path, 'wx+'))
    }
    try {
      const { size } = await existing.stat()
      if (size < offsetBytes) throw new RegistryError('BLOB_UPLOAD_INVALID', 'bytes of the upload are missing')
      if (size > offsetBytes) await existing.truncate(offsetBytes)
      return existing
    } catch (error) {
      await closeQuietly(existing)
      throw error
    }
  }

  async #rename(source: string, target: string): Promise<void> {
    const directory = dirname(target)
    try {
      await this.#directories.createIn(directory, () => this.#files.rename(source, target))
    } catch (error) {
      await this.#directories.removeEmpty(directory, this.#root)
      // Its repository was deleted, or the upload ended, by another request or process since it was looked at.
      if (isAbsence(error) && !(await this.#isThere(source))) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
      throw error
    }
  }

  async #isThere(path: string): Promise<boolean> {
    return (await this.#files.lstat(path).catch(absentAsUndefined)) !== undefined
  }

  /** Throws for a file that is absent because the store is: it would stay, and nobody would know of it. */
  async #unlink(path: string): Promise<void> {
    try {
      await this.#files.unlink(path)
    } catch (error) {
      if (!isAbsence(error)) throw error
      await this.#mark?.require()
    }
  }

  async #removeQuietly(path: string): Promise<void> {
    await this.#unlink(path).catch(() => undefined)
  }

  /** Removes an upload whose sync failed: what the page cache still shows of it may not be on the disk. */
  async #removeLost(uploadId: string): Promise<void> {
    this.#lost.add(uploadId)
    try {
      await this.#unlink(join(this.#uploads, uploadId))
      this.#lost.delete(uploadId)
    } catch {
      // Stays among the lost until somebody aborts it.
    }
  }

  /** Makes the removal of names durable; another delete may have removed the directory since. */
  async #syncRemoval(directory: string): Promise<void> {
    for (let current = directory; ; current = dirname(current)) {
      try {
        return await this.#directories.sync(current)
      } catch (error) {
        if (!isAbsence(error) || current === this.#root) throw error
      }
    }
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

async function closeQuietly(handle: FileHandle): Promise<void> {
  try {
    await handle.close()
  } catch {
    // Nothing was written through it that anybody relies on.
  }
}
