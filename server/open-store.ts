/** Opens the blob store that the configuration names: with open-database.ts the only place that knows the drivers. */
import type { BlobStore } from '#blobs/blob-store.ts'
import { createCdnSigner } from '#blobs/cdn-urls.ts'
import { createObjectStore, type ObjectRedirects, type ObjectStoreOptions } from '#blobs/object-store.ts'
import { type ObjectPlace, openObjectBackend } from '#blobs/open-backend.ts'
import type { Config } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'
import { makeDirectory } from '#blobs/directories.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { createMemoryStore } from '#blobs/memory.ts'
import type { StoreMark } from '#blobs/store-mark.ts'
import type { Metrics } from '#lib/metrics.ts'
import { createObjectMetrics } from '#lib/object-metrics.ts'

/** The store that the configuration names; a directory is made where it is missing. */
export async function openStore(
  config: Config,
  ports: Ports,
  { mark, metrics }: { readonly mark: StoreMark | undefined; readonly metrics: Metrics },
): Promise<BlobStore> {
  const { storage } = config
  const { clock, files } = ports
  const object = openObjectBackend(config, ports)
  if (object !== undefined) {
    const count = createObjectMetrics(metrics.registry)
    return openObjectStore(config, object, { ports, observe: (...measured) => count(object.backend.name, ...measured) })
  }
  if (storage.rootDirectory === undefined) return createMemoryStore({ clock })
  await makeDirectory(files, storage.rootDirectory)
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
  const key = cdn.key ?? (await files.readFile(cdn.keyFile ?? '', 'utf8')).trim()
  return { lifetimeMs, sign: createCdnSigner({ ...cdn, key, clock, prefix }) }
}
