import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { appendFile, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { Readable } from 'node:stream'
import type { BlobKey, BlobStore, OpenBlob } from '#blobs/blob-store.ts'
import { createMemoryStore } from '#blobs/memory.ts'
import { openReadThrough, type CacheEvent, type ReadThroughCache, type ReadThroughOptions } from '#blobs/read-through.ts'
import { systemPorts, type Files } from '#lib/ports.ts'
import { DamagedBlobError } from '#oci/damaged-blob.ts'
import { digestOf, parseDigest, type Digest } from '#oci/digest.ts'
import { readOpenBlob } from '#registry/read-open-blob.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'
import { blobStoreSuite } from './blob-store.suite.ts'
import { put, type OpenStore } from './store-fixture.ts'

const mebibyte = 1024 ** 2
const noSignal = new AbortController().signal

interface Opened {
  readonly cache: ReadThroughCache
  readonly events: CacheEvent[]
  readonly failures: unknown[]
}

function openCache(directory: string, options: Partial<ReadThroughOptions> = {}): Opened {
  const events: CacheEvent[] = []
  const failures: unknown[] = []
  const cache = openReadThrough({
    directory,
    sizeBytes: 16 * mebibyte,
    maximumBytes: 8 * mebibyte,
    redirects: false,
    ports: systemPorts,
    observe: (event) => void events.push(event),
    onFailure: (error) => void failures.push(error),
    ...options,
  })
  return { cache, events, failures }
}

/** A store that tells the cache the digests of what is in it, as the registry does. */
function knowing(cached: BlobStore, bare: BlobStore): BlobStore {
  const digests = new Map<BlobKey, { readonly digest: Digest; readonly expectedBytes: number }>()
  const known = async (key: BlobKey) => {
    const found = digests.get(key)
    if (found !== undefined || (await bare.stat(key)) === undefined) return found
    const bytes = await allOf(await bare.open(key, { direct: true }))
    const facts = { digest: digestOf(bytes), expectedBytes: bytes.length }
    digests.set(key, facts)
    return facts
  }
  return {
    ...cached,
    open: async (key, options) =>
      (await bare.stat(key)) === undefined ? undefined : cached.open(key, { ...options, ...(await known(key)) }),
  }
}

async function allOf(open: OpenBlob | undefined, signal = noSignal): Promise<Buffer> {
  assert.ok(open !== undefined)
  const pieces: Buffer[] = []
  for await (const piece of readOpenBlob(open, signal)) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

blobStoreSuite('behind a read-through cache', async (): Promise<OpenStore> => {
  const directory = await temporaryDirectory('read-through')
  const bare = createMemoryStore({ clock: systemPorts.clock })
  const { cache } = openCache(join(directory.path, 'cache'))
  await cache.ready
  const filling = async () => (await readdir(directory.path, { recursive: true })).filter((name) => name.includes('fill-'))
  const leftovers = async () => {
    await until('fills are over', async () => (await filling()).length === 0)
    return []
  }
  return {
    store: knowing(cache.before(bare), bare),
    leftovers,
    cleanup: async () => {
      await cache[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
})

interface FarStore {
  readonly store: BlobStore
  readonly reads: { count: number }
  /** Lets reads that wait go on. */
  release(): void
}

/** A store far away: it gives streams, counts them, and may hold them back in the middle. */
function farStore(
  blobs: ReadonlyMap<string, Buffer>,
  { holdsAt, served = blobs }: { holdsAt?: number; served?: ReadonlyMap<string, Buffer> } = {},
): FarStore {
  const reads = { count: 0 }
  const gate = Promise.withResolvers<void>()
  const bare = createMemoryStore({ clock: systemPorts.clock })
  async function* pieces(bytes: Buffer) {
    for (let at = 0; at < bytes.length; at += 65_536) {
      if (holdsAt !== undefined && at >= holdsAt) await gate.promise
      yield bytes.subarray(at, at + 65_536)
    }
  }
  const store: BlobStore = Object.assign(Object.create(bare) as BlobStore, {
    name: 'far',
    async open(key: BlobKey): Promise<OpenBlob | undefined> {
      const bytes = served.get(key)
      if (bytes === undefined) return undefined
      return {
        kind: 'stream',
        sizeBytes: blobs.get(key)?.length ?? 0,
        async read(start, end) {
          reads.count++
          return Readable.from(pieces(bytes.subarray(start, end + 1)), { objectMode: false })
        },
      }
    },
  })
  return { store, reads, release: () => gate.resolve() }
}

function blobOf(bytes: Buffer) {
  const digest = digestOf(bytes)
  return { key: `blobs/x/${digest.slice(7)}` as BlobKey, bytes, wanted: { digest, expectedBytes: bytes.length, direct: true } }
}

type Blob = ReturnType<typeof blobOf>

function asMap(...blobs: readonly Blob[]): ReadonlyMap<string, Buffer> {
  return new Map(blobs.map(({ key, bytes }) => [key, bytes]))
}

async function filesOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

async function bytesIn(directory: string): Promise<number> {
  const sizes = await Promise.all((await filesOf(directory)).map(async (file) => (await stat(file)).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

async function within(run: (directory: { readonly path: string }) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory('read-through')
  await run(directory)
}

suite('the read-through cache', () => {
  test('many readers of one missing blob make it come once, and each gets all of it while it comes', () =>
    within(async ({ path }) => {
      const blob = blobOf(randomBytes(3 * mebibyte))
      const far = farStore(asMap(blob), { holdsAt: mebibyte })
      const { cache, events } = openCache(path)
      await using _cache = cache
      await cache.ready
      const store = cache.before(far.store)
      const early = (await Promise.all(Array.from({ length: 20 }, () => store.open(blob.key, blob.wanted)))).map((open) => allOf(open))
      // The first MiB is there before the rest of it has left the store.
      const first = await store.open(blob.key, blob.wanted)
      assert.ok(first?.kind === 'stream')
      const begun: Buffer[] = []
      for await (const piece of await first.read(0, 500_000, noSignal)) begun.push(Buffer.from(piece as Uint8Array))
      assert.ok(Buffer.concat(begun).equals(blob.bytes.subarray(0, 500_001)))
      far.release()
      for (const bytes of await Promise.all(early)) assert.ok(bytes.equals(blob.bytes))
      assert.equal(far.reads.count, 1)
      assert.deepEqual([events.filter((event) => event === 'miss').length, events.filter((event) => event === 'shared').length], [1, 20])
      await until('it is kept', () => cache.count === 1)
      const hit = await store.open(blob.key, blob.wanted)
      assert.equal(hit?.kind, 'file')
      assert.ok((await allOf(hit)).equals(blob.bytes))
      assert.equal(far.reads.count, 1)
    }))

  test('who opened the blob while it came and reads it later gets it from the disk', () =>
    within(async ({ path }) => {
      const blob = blobOf(randomBytes(mebibyte))
      const far = farStore(asMap(blob))
      const { cache } = openCache(path)
      await using _cache = cache
      await cache.ready
      const open = await cache.before(far.store).open(blob.key, blob.wanted)
      await until('it is kept', () => cache.count === 1)
      assert.equal(open?.kind, 'stream')
      assert.ok((await allOf(open)).equals(blob.bytes))
      assert.equal(far.reads.count, 1)
    }))

  test('never grows beyond its bound, after a restart neither, and what was used longest ago goes first', () =>
    within(async ({ path }) => {
      const blobs = Array.from({ length: 12 }, () => blobOf(randomBytes(mebibyte)))
      const far = farStore(asMap(...blobs))
      const bound = { sizeBytes: 5 * mebibyte, maximumBytes: 2 * mebibyte }
      {
        const { cache, events } = openCache(path, bound)
        await using _cache = cache
        await cache.ready
        const store = cache.before(far.store)
        for (const blob of blobs) {
          await allOf(await store.open(blob.key, blob.wanted))
          await until('the fill is over', async () => (await filesOf(path)).every((file) => !file.includes('fill-')))
          assert.ok((await bytesIn(path)) <= bound.sizeBytes)
          // The first one is used again and again.
          await allOf(await store.open(blobs[0]?.key ?? blob.key, (blobs[0] ?? blob).wanted))
        }
        assert.equal(events.filter((event) => event === 'evicted').length, 7)
        assert.equal(events.filter((event) => event === 'hit').length, 12)
      }
      await writeFile(join(path, 'aa-left'), 'x')
      await mkdir(join(path, 'ff'), { recursive: true })
      await writeFile(join(path, 'ff', 'fill-of-a-killed-process'), randomBytes(mebibyte))
      const { cache } = openCache(path, { ...bound, sizeBytes: 3 * mebibyte })
      await using _cache = cache
      await cache.ready
      assert.deepEqual([cache.count, cache.keptBytes], [3, 3 * mebibyte])
      assert.ok((await filesOf(path)).every((file) => !file.includes('fill-')))
    }))

  test('bytes that are not the blob are never kept, and no reader gets all of them', () =>
    within(async ({ path }) => {
      const blob = blobOf(randomBytes(mebibyte))
      const wrong = Buffer.from(blob.bytes)
      wrong[mebibyte - 5] = (wrong[mebibyte - 5] ?? 0) ^ 1
      const far = farStore(asMap(blob), { served: new Map([[blob.key, wrong]]) })
      const { cache, events } = openCache(path)
      await using _cache = cache
      await cache.ready
      const open = await cache.before(far.store).open(blob.key, blob.wanted)
      assert.ok(open?.kind === 'stream')
      let seen = 0
      const reading = (async () => {
        for await (const piece of await open.read(0, mebibyte - 1, noSignal)) seen += (piece as Uint8Array).length
      })()
      await assert.rejects(reading, (error) => error instanceof DamagedBlobError)
      assert.ok(seen < mebibyte)
      assert.deepEqual([cache.count, events.includes('damaged'), await bytesIn(path)], [0, true, 0])
    }))

  test('a file of another size than the blob is dropped, and the blob comes anew', () =>
    within(async ({ path }) => {
      const blob = blobOf(randomBytes(mebibyte))
      const far = farStore(asMap(blob))
      const { cache } = openCache(path)
      await using _cache = cache
      await cache.ready
      const store = cache.before(far.store)
      await allOf(await store.open(blob.key, blob.wanted))
      await until('it is kept', () => cache.count === 1)
      await appendFile((await filesOf(path))[0] ?? '', 'more')
      assert.ok((await allOf(await store.open(blob.key, blob.wanted))).equals(blob.bytes))
      assert.equal(far.reads.count, 2)
    }))

  test('a copy whose bytes were found wrong is forgotten, and the blob comes anew', () =>
    within(async ({ path }) => {
      const blob = blobOf(randomBytes(mebibyte))
      const far = farStore(asMap(blob))
      const { cache } = openCache(path)
      await using _cache = cache
      await cache.ready
      const store = cache.before(far.store)
      await allOf(await store.open(blob.key, blob.wanted))
      await until('it is kept', () => cache.count === 1)
      await writeFile((await filesOf(path))[0] ?? '', randomBytes(mebibyte))
      const open = await store.open(blob.key, blob.wanted)
      assert.ok(open?.kind === 'file' && open.forget !== undefined)
      await open.handle.close()
      await open.forget()
      assert.ok((await allOf(await store.open(blob.key, blob.wanted))).equals(blob.bytes))
    }))

  test('a disk that fails in the middle of a fill costs no reader anything, and is left alone for a while', () =>
    within(async ({ path }) => {
      const blobs = [blobOf(randomBytes(3 * mebibyte)), blobOf(randomBytes(mebibyte))] as const
      const far = farStore(asMap(...blobs))
      const { cache, events, failures } = openCache(path, { ports: { ...systemPorts, files: fullAfter(mebibyte) } })
      await using _cache = cache
      await cache.ready
      const store = cache.before(far.store)
      assert.ok((await allOf(await store.open(blobs[0].key, blobs[0].wanted))).equals(blobs[0].bytes))
      assert.ok((await allOf(await store.open(blobs[1].key, blobs[1].wanted))).equals(blobs[1].bytes))
      assert.deepEqual(events, ['miss', 'failed', 'bypassed'])
      assert.equal(failures.length, 1)
      assert.equal(await bytesIn(path), 0)
    }))

  test('what is too large, of no known digest, or comes before the cache is ready is read past it', () =>
    within(async ({ path }) => {
      const blobs = [blobOf(randomBytes(mebibyte)), blobOf(randomBytes(3 * mebibyte))] as const
      const far = farStore(asMap(...blobs))
      const { cache } = openCache(path, { maximumBytes: 2 * mebibyte })
      await using _cache = cache
      const store = cache.before(far.store)
      await allOf(await store.open(blobs[0].key, blobs[0].wanted))
      await cache.ready
      await allOf(await store.open(blobs[0].key, { direct: true }))
      await allOf(await store.open(blobs[1].key, blobs[1].wanted))
      assert.deepEqual([cache.count, far.reads.count], [0, 3])
    }))

  test('a reader that goes away leaves the fill to those who stay', () =>
    within(async ({ path }) => {
      const blob = blobOf(randomBytes(2 * mebibyte))
      const far = farStore(asMap(blob), { holdsAt: mebibyte })
      const { cache } = openCache(path)
      await using _cache = cache
      await cache.ready
      const store = cache.before(far.store)
      const [leaving, staying] = [await store.open(blob.key, blob.wanted), await store.open(blob.key, blob.wanted)]
      const gone = new AbortController()
      const left = allOf(leaving, gone.signal)
      const stayed = allOf(staying)
      gone.abort(new Error('the client is gone'))
      await assert.rejects(left)
      far.release()
      assert.ok((await stayed).equals(blob.bytes))
      await until('it is kept', () => cache.count === 1)
    }))

  test('redirects go on for those who may be redirected where that is configured', () =>
    within(async ({ path }) => {
      const blob = blobOf(randomBytes(mebibyte))
      const far = farStore(asMap(blob))
      const redirecting: BlobStore = Object.assign(Object.create(far.store) as BlobStore, {
        open: (key: BlobKey, options: { direct?: boolean }) =>
          options.direct === true ? far.store.open(key, options) : Promise.resolve({ kind: 'redirect', url: 'https://far/' }),
      })
      const on = openCache(join(path, 'on'), { redirects: true })
      const off = openCache(join(path, 'off'))
      await using _on = on.cache
      await using _off = off.cache
      await Promise.all([on.cache.ready, off.cache.ready])
      const { direct: _direct, ...wanted } = blob.wanted
      assert.equal((await on.cache.before(redirecting).open(blob.key, wanted))?.kind, 'redirect')
      assert.equal((await off.cache.before(redirecting).open(blob.key, wanted))?.kind, 'stream')
    }))

  test('a blob that is put is read back the same from either side of the cache, whatever its digest algorithm', () =>
    within(async ({ path }) => {
      const bare = createMemoryStore({ clock: systemPorts.clock })
      const { cache } = openCache(path)
      await using _cache = cache
      await cache.ready
      const bytes = randomBytes(100_000)
      const key = await put(bare, bytes)
      const digest = parseDigest(`sha512:${createHash('sha512').update(bytes).digest('hex')}`)
      assert.ok(digest !== undefined)
      const store = cache.before(bare)
      for (let round = 0; round < 2; round++) {
        const open = await store.open(key, { digest, expectedBytes: bytes.length })
        assert.ok((await allOf(open)).equals(bytes))
        await until('it is kept', () => cache.count === 1)
      }
    }))
})

/** Files whose writes fail with ENOSPC once so many bytes were written to them. */
function fullAfter(bytes: number): Files {
  let written = 0
  return {
    ...systemPorts.files,
    open: async (...parameters: Parameters<Files['open']>) => {
      const handle = await systemPorts.files.open(...parameters)
      const { writeFile: write } = handle
      handle.writeFile = async (data, options) => {
        written += (data as Uint8Array).length
        if (written > bytes) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC', syscall: 'write' })
        await write.call(handle, data, options)
      }
      return handle
    },
  }
}
