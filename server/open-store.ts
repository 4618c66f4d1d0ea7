/** Opens the blob store that the configuration names, and looks whose it is: with open-database.ts the only place that knows the drivers. */
import { dirname } from 'node:path'
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { createCdnSigner } from '#blobs/cdn-urls.ts'
import { createObjectStore, type ObjectRedirects, type ObjectStoreOptions } from '#blobs/object-store.ts'
import { type ObjectPlace, openObjectBackend } from '#blobs/open-backend.ts'
import type { Config } from '#config/config.ts'
import { databaseMissing, markOf, requireOwnStore, type MarkedStore } from '#features/store-mark.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { createMemoryStore } from '#blobs/memory.ts'
import type { StoreMark } from '#blobs/store-mark.ts'
import { inspectDatabase, isDatabaseThere } from './open-database.ts'

/** How the store of a configuration is to be met. */
interface MetStore {
  readonly mark: StoreMark
  /** See `MarkedStore` of features/store-mark.ts. */
  readonly accept: MarkedStore['accept']
}

/**
 * The mark of the store in a directory, before its database is opened, which would make one. Throws one sentence where the mark is that of another
 * database, and the one that the configuration names is not there. (The mark is read first: whoever makes both makes the database first.)
 */
export async function meetStore(config: Config, ports: Ports, accept?: MetStore['accept']): Promise<MetStore | undefined> {
  const mark = markOf(config, ports)
  if (mark === undefined) return undefined
  await requireNoFile(dirname(mark.path), ports)
  if ((await mark.read()) === undefined || (await isDatabaseThere(config, ports))) return { mark, accept }
  if (accept === undefined) throw databaseMissing({ mark })
  await accept({ path: mark.path, mark: 'another', looked: 0, there: 0 })
  return { mark, accept: async () => undefined }
}

/** Before anything is made: what stands where the blobs belong is a directory, or is not there. */
async function requireNoFile(directory: string, { files }: Pick<Ports, 'files'>): Promise<void> {
  const facts = await files.stat(directory).catch(() => undefined)
  if (facts?.isDirectory() === false) throw new Error(`${directory} is no directory, and the blobs belong there: move what is there away`)
}

/** Whether the directory of blobs has been that of some database. */
export async function isStoreMarked(config: Config, ports: Ports = systemPorts): Promise<boolean> {
  return (await markOf(config, ports)?.read()) !== undefined
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
    return openObjectStore(config, object, { ports, observe })
  }
  if (storage.rootDirectory === undefined) return createMemoryStore({ clock })
  return createFilesystemStore({ rootDirectory: storage.rootDirectory, files, mark })
}

/** The store on that backend. Rejects for a CDN's key that is none. */
async function openObjectStore(
  { storage }: Pick<Config, 'storage'>,
  { backend, prefix }: ObjectPlace,
  { ports, observe }: { readonly ports: Ports; readonly observe: ObjectStoreOptions['observe'] },
): Promise<BlobStore> {
  const redirects = await redirectsOf(storage, prefix, ports)
  return createObjectStore({ backend, ports, bufferBytes: storage.bufferBytes, redirects, observe })
}

async function redirectsOf(
  { redirects }: Config['storage'],
  prefix: string,
  { clock, files }: Ports,
): Promise<ObjectRedirects | undefined> {
  if (redirects === undefined || redirects.disabled) return undefined
  const { lifetimeMs, cdn } = redirects
  if (cdn === undefined) return { lifetimeMs }
  const key = cdn.key ?? (await readKey(files, cdn.keyFile ?? ''))
  return { lifetimeMs, sign: createCdnSigner({ ...cdn, key, clock, prefix }) }
}

async function readKey(files: Ports['files'], file: string): Promise<string> {
  try {
    return (await files.readFile(file, 'utf8')).trim()
  } catch (error) {
    throw new Error(`storage.cdn.keyfile: ${file} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}
