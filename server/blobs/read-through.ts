/**
 * A cache on this machine's disk in front of object stores: what is pulled is kept, and comes from here the next time.
 *
 * The problem: an object store is far away, costs by the request, and is sometimes slow; a cache must never serve other bytes than the store would, never
 * grow beyond its bound, and never make a pull fail that would go well without it. The way: whole blobs under their digests, proved while they are filled;
 * the first reader of a blob starts the fill, and all who come meanwhile follow it; whatever fails here is passed by. Only whoever knows the digest of what
 * it opens is served from here ({@link OpenOptions.digest}): scrub, copies and backups read the store itself. What is kept is hashed again once a day.
 */
import type { Clock, Files, Random, Timers } from '#lib/ports.ts'
import type { Digest } from '#oci/digest.ts'
import type { BlobKey, BlobStore, OpenBlob, OpenOptions } from './blob-store.ts'
import { passTo } from './pass-to.ts'
import { checkFiles } from './read-through-check.ts'
import { CacheFiles } from './read-through-files.ts'
import { Fill, type ReadStore } from './read-through-fill.ts'

/** What happens in the cache, for metrics: `shared` follows a fill that another reader began, `bypassed` had no room or came while the disk failed; `checked` was read again in the background. */
export type CacheEvent = 'hit' | 'miss' | 'shared' | 'bypassed' | 'evicted' | 'failed' | 'damaged' | 'checked'

/** Told of each happening, with the bytes of the blob. */
export type CacheObserver = (event: CacheEvent, sizeBytes: number) => void

/** Where the cache is, and what it keeps. */
export interface ReadThroughOptions {
  /** Of this process alone. */
  readonly directory: string
  readonly sizeBytes: number
  /** Larger blobs are not kept. */
  readonly maximumBytes: number
  /** Whether clients are redirected where the store can do that, kept or not. */
  readonly redirects: boolean
  readonly ports: { readonly files: Files; readonly random: Random; readonly clock: Clock; readonly timers: Timers }
  readonly observe: CacheObserver
  readonly onFailure: (error: unknown) => void
}

/** A cache that any number of stores may share. */
export interface ReadThroughCache extends AsyncDisposable {
  /** Resolves when what an earlier process left is known; until then everything is passed by. */
  readonly ready: Promise<void>
  /** Of whole blobs. */
  readonly keptBytes: number
  readonly count: number
  /** The store behind the cache. */
  before(store: BlobStore): BlobStore
}

/** After the disk failed, nothing is filled for so long. */
const pauseMs = 30_000
const fillsMax = 32

/** Opens the cache; nothing that is wrong with its directory keeps a process from starting. */
export function openReadThrough(options: ReadThroughOptions): ReadThroughCache {
  return new DiskCache(options)
}

interface Wanted {
  readonly store: BlobStore
  readonly key: BlobKey
  readonly digest: Digest
  readonly sizeBytes: number
}

class DiskCache implements ReadThroughCache {
  readonly ready: Promise<void>
  readonly #checking: Promise<void>
  readonly #options: ReadThroughOptions
  readonly #files: CacheFiles
  /** Settles to undefined where the blob is not filled. */
  readonly #fills = new Map<Digest, Promise<Fill | undefined>>()
  readonly #closed = new AbortController()
  #isReady = false
  #pausedUntil = -Infinity

  constructor(options: ReadThroughOptions) {
    this.#options = options
    const { directory, sizeBytes, ports } = options
    this.#files = new CacheFiles({ directory, sizeBytes, ports, onEvicted: (bytes) => options.observe('evicted', bytes) })
    this.ready = this.#files.scan().then(
      () => void (this.#isReady = true),
      (error: unknown) => options.onFailure(error),
    )
    this.#checking = this.ready.then(() => this.#check()).catch((error: unknown) => options.onFailure(error))
  }

  get keptBytes(): number {
    return this.#files.keptBytes
  }

  get count(): number {
    return this.#files.count
  }

  before(store: BlobStore): BlobStore {
    return { ...passTo(store), open: (key, options) => this.#open(store, key, options) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new Error('the cache is closed'))
    await Promise.all([...this.#fills.values()].map(async (beginning) => (await beginning)?.ended))
    await this.#checking
  }

  async #check(): Promise<void> {
    const { ports, observe } = this.#options
    const onChecked = (sizeBytes: number, isWhole: boolean) => {
      observe('checked', sizeBytes)
      if (!isWhole) observe('damaged', sizeBytes)
    }
    if (this.#isReady) await checkFiles(this.#files, { ports, signal: this.#closed.signal, onChecked })
  }

  async #open(store: BlobStore, key: BlobKey, options: OpenOptions = {}): Promise<OpenBlob | undefined> {
    const { digest, expectedBytes: sizeBytes = 0, direct } = options
    const isKept = digest !== undefined && sizeBytes > 0 && sizeBytes <= this.#options.maximumBytes
    if (!isKept || (this.#options.redirects && direct !== true)) return store.open(key, options)
    const own = { ...options, direct: true }
    if (!this.#isReady) return this.#pass(store, key, own)
    const handle = await this.#files.open(digest, sizeBytes)
    if (handle !== undefined) {
      this.#options.observe('hit', sizeBytes)
      return { kind: 'file', handle, sizeBytes, forget: () => this.#forget(digest, sizeBytes) }
    }
    return await this.#openMissing({ store, key, digest, sizeBytes }, own)
  }

  async #openMissing(wanted: Wanted, options: OpenOptions): Promise<OpenBlob | undefined> {
    const { store, key, digest, sizeBytes } = wanted
    const begun = this.#fills.get(digest)
    if (begun !== undefined) {
      const fill = await begun
      if (fill === undefined) return this.#pass(store, key, options)
      this.#options.observe('shared', sizeBytes)
      return following(fill, sizeBytes)
    }
    const { promise, resolve } = Promise.withResolvers<Fill | undefined>()
    this.#fills.set(digest, promise)
    let fill: Fill | undefined
    try {
      const open = await store.open(key, options)
      const isAsExpected = open !== undefined && open.kind !== 'redirect' && sizeOf(open) === sizeBytes
      if (isAsExpected) fill = await this.#begin(wanted, readerOf(open))
      this.#options.observe(fill === undefined ? 'bypassed' : 'miss', sizeBytes)
      // What came whole is in memory already: its reader need not wait for the disk.
      return fill === undefined || open?.kind === 'bytes' ? open : following(fill, sizeBytes)
    } finally {
      resolve(fill)
      if (fill === undefined) this.#fills.delete(digest)
    }
  }

  #pass(store: BlobStore, key: BlobKey, options: OpenOptions): Promise<OpenBlob | undefined> {
    this.#options.observe('bypassed', options.expectedBytes ?? 0)
    return store.open(key, options)
  }

  async #begin({ digest, sizeBytes }: Wanted, read: ReadStore | undefined): Promise<Fill | undefined> {
    const isPaused = this.#options.ports.clock.monotonic() < this.#pausedUntil
    if (read === undefined || isPaused || this.#closed.signal.aborted || this.#fills.size > fillsMax) return undefined
    if (!(await this.#files.reserve(sizeBytes))) return undefined
    const fill = new Fill({ digest, sizeBytes, files: this.#files, read, signal: this.#closed.signal })
    void fill.ended.then((failure) => {
      this.#fills.delete(digest)
      if (failure === undefined || this.#closed.signal.aborted) return
      this.#options.observe(failure.kind === 'damaged' ? 'damaged' : 'failed', sizeBytes)
      if (failure.kind !== 'local') return
      this.#pausedUntil = this.#options.ports.clock.monotonic() + pauseMs
      this.#options.onFailure(failure.error)
    })
    return fill
  }

  async #forget(digest: Digest, sizeBytes: number): Promise<void> {
    this.#options.observe('damaged', sizeBytes)
    await this.#files.forget(digest)
  }
}

function following(fill: Fill, sizeBytes: number): OpenBlob {
  return { kind: 'stream', sizeBytes, read: async (start, end, signal) => fill.read(start, end, signal) }
}

function sizeOf(open: OpenBlob): number | undefined {
  if (open.kind === 'bytes') return open.bytes.byteLength
  return open.kind === 'redirect' ? undefined : open.sizeBytes
}

/** Undefined for a file: it is on this machine already. */
function readerOf(open: OpenBlob): ReadStore | undefined {
  if (open.kind === 'stream') return open.read
  if (open.kind !== 'bytes') return undefined
  return async (start, end) =>
    (async function* () {
      yield open.bytes.subarray(start, end + 1)
    })()
}
