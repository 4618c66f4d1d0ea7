/** The files of a read-through cache: whole blobs under their digests, bounded by their bytes; what was used longest ago goes first. */
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { mapLimited } from '#lib/map-limited.ts'
import type { Clock, Files, Random } from '#lib/ports.ts'
import { createDigestHash, digestAlgorithm, digestHex, digestOfHash, parseDigest, type Digest } from '#oci/digest.ts'
import { isAbsence } from './storage-error.ts'

/** Where the files are, and how many bytes they may have. */
export interface CacheFilesOptions {
  /** Nothing else is in it, and no other process uses it. */
  readonly directory: string
  readonly sizeBytes: number
  readonly ports: { readonly files: Files; readonly random: Random; readonly clock: Clock }
  readonly onEvicted: (sizeBytes: number) => void
}

/** A file that is being filled. */
export interface NewFile {
  readonly path: string
  /** For writing, and for reading what was written. */
  readonly handle: FileHandle
}

interface Entry {
  readonly sizeBytes: number
  /** When its last use was written to the file. */
  touchedAt: number
  /** When its bytes were last hashed; 0: by an earlier process. */
  provedAt: number
}

/** A use is written to the file so often: the order of the next start is as exact. */
const touchEachMs = 10 * 60_000
const scansAtOnce = 16
const proofBytes = 256 * 1024
const temporary = /^fill-/

/** What is in one directory. All bytes that are there or are about to be are counted: the bound holds at every instant. */
export class CacheFiles {
  readonly #options: CacheFilesOptions
  /** Used longest ago first. */
  readonly #entries = new Map<Digest, Entry>()
  #keptBytes = 0
  #reservedBytes = 0
  #evicting: Promise<void> = Promise.resolve()

  constructor(options: CacheFilesOptions) {
    this.#options = options
  }

  /** Bytes of whole files. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  get count(): number {
    return this.#entries.size
  }

  /** Reads what a process before left, removes what it had not finished, and what is too much. */
  async scan(): Promise<void> {
    const { files } = this.#options.ports
    const { directory } = this.#options
    await files.mkdir(directory, { recursive: true, mode: 0o700 })
    const found: { digest: Digest; sizeBytes: number; usedAt: number }[] = []
    for (const shard of await files.readdir(directory)) {
      const names = await files.readdir(join(directory, shard)).catch((): string[] => [])
      await mapLimited(names, scansAtOnce, async (name) => {
        const path = join(directory, shard, name)
        const digest = temporary.test(name) ? undefined : parseDigest(name.replace('-', ':'))
        const facts = await files.lstat(path).catch(() => undefined)
        if (digest !== undefined && facts?.isFile() === true) found.push({ digest, sizeBytes: facts.size, usedAt: facts.mtimeMs })
        else await files.unlink(path).catch(() => undefined)
      })
    }
    for (const { digest, sizeBytes, usedAt } of found.toSorted((one, other) => one.usedAt - other.usedAt)) {
      this.#entries.set(digest, { sizeBytes, touchedAt: usedAt, provedAt: 0 })
      this.#keptBytes += sizeBytes
    }
    await this.#evict()
  }

  /** The blob's file, open; undefined when it is not there, or not of that size. */
  async open(digest: Digest, sizeBytes: number): Promise<FileHandle | undefined> {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    this.#entries.delete(digest)
    this.#entries.set(digest, entry)
    try {
      const handle = await this.#options.ports.files.open(this.#pathOf(digest), 'r')
      const { size } = await handle.stat()
      if (size === sizeBytes) {
        this.#touch(handle, entry)
        return handle
      }
      await handle.close()
    } catch {
      // Whatever is the matter with it, the store has the blob.
    }
    await this.forget(digest)
    return undefined
  }

  /** Removes the blob's file: it is not what it should be. */
  async forget(digest: Digest): Promise<void> {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return
    this.#entries.delete(digest)
    if (await this.#remove(this.#pathOf(digest))) this.#keptBytes -= entry.sizeBytes
  }

  /** What was not hashed since. */
  provedBefore(instant: number): readonly Digest[] {
    return [...this.#entries].filter(([, { provedAt }]) => provedAt < instant).map(([digest]) => digest)
  }

  /** Reads the blob's file, and removes it when it is not what it should be. Undefined when it went, or came anew, meanwhile. Rejects as `onPiece` does. */
  async prove(
    digest: Digest,
    onPiece: (bytes: number) => Promise<void>,
  ): Promise<{ readonly sizeBytes: number; readonly isWhole: boolean } | undefined> {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    const isWhole = await this.#isWhole(digest, onPiece)
    if (this.#entries.get(digest) !== entry) return undefined
    entry.provedAt = this.#options.ports.clock.now()
    if (!isWhole) await this.forget(digest)
    return { sizeBytes: entry.sizeBytes, isWhole }
  }

  async #isWhole(digest: Digest, onPiece: (bytes: number) => Promise<void>): Promise<boolean> {
    const handle = await this.#options.ports.files.open(this.#pathOf(digest), 'r').catch(() => undefined)
    if (handle === undefined) return false
    await using _open = handle
    const algorithm = digestAlgorithm(digest)
    const hash = createDigestHash(algorithm)
    const buffer = Buffer.allocUnsafe(proofBytes)
    for (;;) {
      const bytesRead = await handle.read(buffer, 0, proofBytes).then(
        (read) => read.bytesRead,
        () => undefined,
      )
      if (bytesRead === undefined) return false
      if (bytesRead === 0) return digestOfHash(algorithm, hash) === digest
      hash.update(buffer.subarray(0, bytesRead))
      await onPiece(bytesRead)
    }
  }

  /** Makes room, which counts as used until {@link CacheFiles.publish} or {@link CacheFiles.giveBack}. False when there is none to be had. */
  async reserve(sizeBytes: number): Promise<boolean> {
    if (sizeBytes > this.#options.sizeBytes) return false
    this.#reservedBytes += sizeBytes
    await this.#evict()
    if (this.#usedBytes <= this.#options.sizeBytes) return true
    this.#reservedBytes -= sizeBytes
    return false
  }

  giveBack(sizeBytes: number): void {
    this.#reservedBytes -= sizeBytes
  }

  /** A file for bytes that there is room for. */
  async create(digest: Digest): Promise<NewFile> {
    const { files, random } = this.#options.ports
    const shard = join(this.#options.directory, shardOf(digest))
    await files.mkdir(shard, { recursive: true, mode: 0o700 })
    const path = join(shard, `fill-${random.uuid()}`)
    return { path, handle: await files.open(path, 'wx+', 0o600) }
  }

  /** The bytes are all there and proved: from now on the file is the blob's. */
  async publish({ path, handle }: NewFile, digest: Digest, sizeBytes: number): Promise<void> {
    // Else a power failure could leave a file of the right size with other bytes.
    await handle.datasync()
    await this.forget(digest)
    await this.#options.ports.files.rename(path, this.#pathOf(digest))
    this.#reservedBytes -= sizeBytes
    this.#keptBytes += sizeBytes
    const now = this.#options.ports.clock.now()
    this.#entries.set(digest, { sizeBytes, touchedAt: now, provedAt: now })
  }

  /** Removes a file that was not finished. */
  async discard({ path }: NewFile): Promise<void> {
    await this.#remove(path)
  }

  get #usedBytes(): number {
    return this.#keptBytes + this.#reservedBytes
  }

  #pathOf(digest: Digest): string {
    return join(this.#options.directory, shardOf(digest), `${digestAlgorithm(digest)}-${digestHex(digest)}`)
  }

  #touch(handle: FileHandle, entry: Entry): void {
    const now = this.#options.ports.clock.now()
    if (now - entry.touchedAt < touchEachMs) return
    entry.touchedAt = now
    handle.utimes(now / 1_000, now / 1_000).catch(() => undefined)
  }

  /** One at a time, so that nothing goes for a need that another one has met. */
  #evict(): Promise<void> {
    const turn = this.#evicting.then(() => this.#evictNow())
    this.#evicting = turn.catch(() => undefined)
    return turn
  }

  async #evictNow(): Promise<void> {
    for (const [digest, { sizeBytes }] of this.#entries) {
      if (this.#usedBytes <= this.#options.sizeBytes) return
      this.#entries.delete(digest)
      if (!(await this.#remove(this.#pathOf(digest)))) continue
      this.#keptBytes -= sizeBytes
      this.#options.onEvicted(sizeBytes)
    }
  }

  /** False: its bytes still count. */
  async #remove(path: string): Promise<boolean> {
    try {
      await this.#options.ports.files.unlink(path)
      return true
    } catch (error) {
      return isAbsence(error)
    }
  }
}

function shardOf(digest: Digest): string {
  return digestHex(digest).slice(0, 2)
}
