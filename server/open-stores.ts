/** Opens all stores that the configuration names, measured, behind the cache where there is one, and looks whether they are those of the rows. */
import { join } from 'node:path'
import type { BlobStore } from '#blobs/blob-store.ts'
import { makeDirectory } from '#blobs/directories.ts'
import { measureStore } from '#blobs/measured-store.ts'
import { markOf } from '#blobs/open-mark.ts'
import { openReadThrough, type ReadThroughCache } from '#blobs/read-through.ts'
import type { StoreMark } from '#blobs/store-mark.ts'
import { storeOf, type Stores } from '#blobs/stores.ts'
import type { Config, StorageConfig } from '#config/config.ts'
import { isObjectStore } from '#config/storage-place.ts'
import { settleStore, type MarkedStore } from '#features/store-mark.ts'
import { requireKnownStores } from '#features/storage-overview.ts'
import { createCacheMetrics } from '#lib/cache-metrics.ts'
import type { Logger } from '#lib/logger.ts'
import type { Metrics } from '#lib/metrics.ts'
import { createObjectMetrics } from '#lib/object-metrics.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { lockForServing } from '#metadata/sqlite-lock.ts'
import { openStore } from './open-store.ts'

/** What {@link openStores} works with. */
interface OpeningParts {
  readonly ports: Ports
  readonly metrics: Metrics
  readonly log: Logger
  /** Of the primary store. */
  readonly mark: StoreMark | undefined
  /** Processes of this machine that may serve at once, each with a part of the cache; undefined for commands, which need none. */
  readonly cacheParts: number | undefined
}

/** The stores until they are disposed. */
export interface OpenedStores extends Stores, AsyncDisposable {
  /** Throws one sentence where a store is not that of the rows, or rows name one that is not there; makes marks and directories that are missing. */
  settleOthers(metadata: Metadata, accept?: MarkedStore['accept']): Promise<void>
}

/** Opens them. Makes nothing but the directory of the cache. */
export async function openStores(config: Config, parts: OpeningParts): Promise<OpenedStores> {
  await using stack = new AsyncDisposableStack()
  const { storage } = config
  const { ports, metrics } = parts
  const cache = await openCache(config, parts, stack)
  const count = createObjectMetrics(metrics.registry)
  const open = async (place: StorageConfig, mark: StoreMark | undefined) => {
    const bare = await openStore({ ...config, storage: place }, ports, { mark, observe: (...measured) => count(place.name, ...measured) })
    const cached = cache !== undefined && isObjectStore(place) ? cache.before(bare) : bare
    const observed = measureStore(cached, place.name, { clock: ports.clock, observe: (...measured) => metrics.observeStorage(...measured) })
    return stack.use(observed)
  }
  const primary = await open(storage, parts.mark)
  const all = new Map<string, BlobStore>([[primary.name, primary]])
  const marks = new Map<string, StoreMark>()
  for (const other of storage.others) {
    const mark = markOf(config, ports, other)
    if (mark !== undefined) marks.set(other.name, mark)
    all.set(other.name, await open(placeOf(storage, other), mark))
  }
  const opened = stack.move()
  const stores: Stores = { primary, all }
  return {
    ...stores,
    async settleOthers(metadata, accept) {
      await requireKnownStores(metadata.reader, all)
      const { readOnly } = storage
      const { log } = parts
      for (const [name, mark] of marks) await settleStore({ metadata, store: storeOf(stores, name), mark, ports, readOnly, accept, log })
      for (const { rootDirectory } of storage.others) if (rootDirectory !== undefined) await makeDirectory(ports.files, rootDirectory)
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Another store as if it were the only one. The CDN stands before the primary store alone. */
function placeOf(storage: StorageConfig, other: StorageConfig['others'][number]): StorageConfig {
  return { ...storage, ...other, redirects: storage.redirects && { ...storage.redirects, cdn: undefined } }
}

async function openCache(
  { storage: { readThrough } }: Config,
  { ports, metrics, log, cacheParts }: OpeningParts,
  stack: AsyncDisposableStack,
): Promise<ReadThroughCache | undefined> {
  if (readThrough === undefined || cacheParts === undefined) return undefined
  const { directory, sizeBytes, maximumBytes, redirects } = readThrough
  const figures = createCacheMetrics(metrics.registry)
  try {
    await ports.files.mkdir(directory, { recursive: true, mode: 0o700 })
    const part = takePart(directory, cacheParts)
    if (part === undefined) {
      log.warn({ directory }, 'other processes have all parts of the cache: this one goes without')
      return undefined
    }
    stack.use(part)
    await removeFormerParts(directory, cacheParts, ports)
    // What cannot be used is told now, not at the first pull.
    await ports.files.mkdir(join(directory, part.name), { recursive: true, mode: 0o700 })
    const partBytes = Math.floor(sizeBytes / cacheParts)
    const cache = openReadThrough({
      directory: join(directory, part.name),
      sizeBytes: partBytes,
      maximumBytes: Math.min(maximumBytes, partBytes),
      redirects,
      ports,
      observe: figures.observe,
      onFailure: (error) => log.warn({ err: error, directory }, 'the cache cannot be written to: pulls pass it by'),
    })
    figures.watch(cache)
    return stack.use(cache)
  } catch (error) {
    const why = `storage.readthrough.directory: ${directory} cannot be used (${(error as Error).message})`
    log.warn({ err: error, directory }, `${why}: pulls pass the cache by until the next start; berth doctor looks at it`)
    return undefined
  }
}

interface Part extends Disposable {
  readonly name: string
}

/** The first part that no other process has; the system gives its lock back with the process. */
function takePart(directory: string, parts: number): Part | undefined {
  for (let at = 0; at < parts; at++) {
    const name = `part-${at}`
    const lock = lockForServing(join(directory, name), 0)
    if (lock !== undefined) return { name, [Symbol.dispose]: () => lock[Symbol.dispose]() }
  }
  return undefined
}

/** Of a time with more processes: their bytes would be beyond the bound. */
async function removeFormerParts(directory: string, parts: number, { files }: Ports): Promise<void> {
  for (const name of await files.readdir(directory)) {
    const [, number] = /^part-(\d+)$/.exec(name) ?? []
    if (number === undefined || Number(number) < parts) continue
    using lock = lockForServing(join(directory, name), 0)
    if (lock !== undefined) await files.rm(join(directory, name), { recursive: true, force: true })
  }
}
