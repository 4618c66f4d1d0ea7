/** Opens the blob store that the configuration names, and looks whose it is: with open-database.ts the only place that knows the drivers. */
import { dirname } from 'node:path'
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { createCdnSigner } from '#blobs/cdn-urls.ts'
import { createObjectStore, type ObjectRedirects, type ObjectStoreOptions } from '#blobs/object-store.ts'
import { type ObjectPlace, openObjectBackend } from '#blobs/open-backend.ts'
import { markOf } from '#blobs/open-mark.ts'
import type { Config } from '#config/config.ts'
import { databaseMissing, requireOwnStore, type MarkedStore } from '#features/store-mark.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { createMemoryStore } from '#blobs/memory.ts'
import { isMarkAway, type StoreMark, type StoreTrace } from '#blobs/store-mark.ts'
import { inspectDatabase, isDatabaseThere } from './open-database.ts'

/** How the store of a configuration is to be met. */
interface MetStore {
  readonly mark: StoreMark
  /** See `MarkedStore` of features/store-mark.ts. */
  readonly accept: MarkedStore['accept']
}

/**
 * The mark of the store, before its database is opened, which would make one. Throws one sentence where the store is in use, and the database that the
 * configuration names is not there. (Whoever makes both makes the database first, so that is looked for once more.)
 */
export async function meetStore(config: Config, ports: Ports, accept?: MetStore['accept']): Promise<MetStore | undefined> {
  const mark = markOf(config, ports)
  if (mark === undefined) return undefined
  if (config.storage.rootDirectory !== undefined) await requireNoFile(dirname(mark.path), ports)
  if (await isDatabaseThere(config, ports)) return { mark, accept }
  const found = await lookAlone(mark)
  if (found === undefined || (await isDatabaseThere(config, ports))) return { mark, accept }
  const trace = found === 'mark' ? undefined : found
  if (accept === undefined) throw databaseMissing({ mark, trace })
  await accept({
    path: mark.path,
    mark: trace === undefined ? 'another' : 'none',
    ...(trace !== undefined && { holds: trace }),
    looked: 0,
    there: 0,
  })
  return { mark, accept: async () => undefined }
}

/** What tells that a store is in use, where no database does. Undefined too where it does not answer: it is looked at again with the database. */
async function lookAlone(mark: StoreMark): Promise<'mark' | StoreTrace | undefined> {
  try {
    return (await mark.read()) === undefined ? await mark.trace() : 'mark'
  } catch (error) {
    if (!isMarkAway(error)) throw error
    return undefined
  }
}

/** Before anything is made: what stands where the blobs belong is a directory, or is not there. */
async function requireNoFile(directory: string, { files }: Pick<Ports, 'files'>): Promise<void> {
  const facts = await files.stat(directory).catch(() => undefined)
  if (facts?.isDirectory() === false) throw new Error(`${directory} is no directory, and the blobs belong there: move what is there away`)
}

/** Whether the store has been that of some database. */
export async function isStoreUsed(config: Config, ports: Ports = systemPorts): Promise<boolean> {
  const mark = markOf(config, ports)
  return mark !== undefined && (await lookAlone(mark)) !== undefined
}

/** Throws what a start would throw where the store is not that of the database. Makes nothing, neither of them. */
export async function refuseForeignStore(config: Config, ports: Ports = systemPorts): Promise<void> {
  const met = await meetStore(config, ports)
  const { rootDirectory } = config.storage
  if (met === undefined || rootDirectory === undefined || !(await isDatabaseThere(config, ports))) return
  await using database = await inspectDatabase(config, ports)
  // What another version's tables say of the store is for the start that brings them up to date.
  if (database === undefined || database.missing.length + database.unknown.length > 0) return
  await using store = createFilesystemStore({ rootDirectory, files: ports.files })
  const named = { name: config.storage.name, stat: (key: BlobKey) => store.stat(key) }
  await requireOwnStore({ metadata: database, store: named, mark: met.mark })
}

/** The store that the configuration names. Makes nothing. */
export async function openStore(
  config: Config,
  ports: Ports,
  { mark, observe }: { readonly mark: StoreMark | undefined; readonly observe?: ObjectStoreOptions['observe'] },
): Promise<BlobStore> {
  const { storage } = config
  const { clock, files } = ports
  const object = openObjectBackend(config, ports)
  if (object !== undefined) {
    return openObjectStore(config, object, { ports, observe, mark })
  }
  if (storage.rootDirectory === undefined) return createMemoryStore({ clock })
  return createFilesystemStore({ rootDirectory: storage.rootDirectory, files, mark })
}

/** The store on that backend. Rejects for a CDN's key that is none. */
async function openObjectStore(
  { storage }: Pick<Config, 'storage'>,
  { backend, prefix }: ObjectPlace,
  { ports, ...more }: { readonly ports: Ports } & Pick<ObjectStoreOptions, 'observe' | 'mark'>,
): Promise<BlobStore> {
  const redirects = await redirectsOf(storage, prefix, ports)
  return createObjectStore({ backend, ports, bufferBytes: storage.bufferBytes, redirects, ...more })
}

async function redirectsOf({ redirects }: Config['storage'], prefix: string, ports: Ports): Promise<ObjectRedirects | undefined> {
  if (redirects === undefined || redirects.disabled) return undefined
  const { lifetimeMs, cdn } = redirects
  return cdn === undefined ? { lifetimeMs } : { lifetimeMs, sign: await openSigner(cdn, prefix, ports) }
}

type CdnConfig = NonNullable<NonNullable<Config['storage']['redirects']>['cdn']>

/** Throws one sentence for a key that cannot be read, is none, or can be guessed. */
async function openSigner(
  cdn: CdnConfig,
  prefix: string,
  { clock, files }: Pick<Ports, 'clock' | 'files'>,
): Promise<ReturnType<typeof createCdnSigner>> {
  const { keyFile = '' } = cdn
  const key = cdn.key ?? (await readKey(files, keyFile))
  try {
    return createCdnSigner({ ...cdn, key, clock, prefix })
  } catch (error) {
    throw new Error(`storage.cdn.${cdn.key === undefined ? `keyfile: ${keyFile}` : 'key'}: ${(error as Error).message}`, { cause: error })
  }
}

async function readKey(files: Ports['files'], file: string): Promise<string> {
  try {
    return (await files.readFile(file, 'utf8')).trim()
  } catch (error) {
    throw new CdnKeyUnreadable(`storage.cdn.keyfile: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, {
      cause: error,
    })
  }
}

class CdnKeyUnreadable extends Error {
  override readonly name = 'CdnKeyUnreadable'
}

/** Throws what a start would throw for the key of the CDN; gives the sentence where it cannot be read from here, which says nothing of the machine of the server. */
export async function examineCdnKey({ storage }: Config, ports: Pick<Ports, 'clock' | 'files'> = systemPorts): Promise<readonly string[]> {
  const { cdn, disabled = true } = storage.redirects ?? {}
  if (cdn === undefined || disabled) return []
  try {
    await openSigner(cdn, '', ports)
    return []
  } catch (error) {
    if (error instanceof CdnKeyUnreadable) return [error.message]
    throw error
  }
}
