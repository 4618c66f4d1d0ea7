/** Opens the blob store that the configuration names; with main.ts the only place that knows the drivers. */
import type { BlobStore } from '#blobs/blob-store.ts'
import { createCdnSigner } from '#blobs/cdn-urls.ts'
import { createObjectStore, type ObjectRedirects, type ObjectStoreOptions } from '#blobs/object-store.ts'
import type { ObjectPlace } from '#blobs/open-backend.ts'
import type { Config } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'

/** The store on that backend. Rejects for a CDN's key that is none. */
export async function openObjectStore(
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
