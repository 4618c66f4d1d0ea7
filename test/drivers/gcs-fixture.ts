/** A store of its own in a bucket of its own, on any service that speaks as Google Cloud Storage does. */
import { randomUUID } from 'node:crypto'
import { createObjectStore, type ObjectStoreOptions } from '#blobs/object-store.ts'
import { createGcsBackend } from '#blobs/gcs-backend.ts'
import { googleIdentity, noIdentity } from '#blobs/gcs-credentials.ts'
import { GcsConnection, type GcsIdentity } from '#blobs/gcs-requests.ts'
import { GcsSigner } from '#blobs/gcs-sign.ts'
import type { ObjectBackend } from '#blobs/object-backend.ts'
import { systemPorts } from '#lib/ports.ts'
import type { ServiceAccount } from '../support/gcs-identity.ts'
import type { OpenStore } from './store-fixture.ts'

/** Where a service is; without an account nobody is asked who he is. */
export interface GcsService {
  readonly endpoint: string
  readonly account?: ServiceAccount
}

const signal = new AbortController().signal

function identityOf({ account }: GcsService): GcsIdentity {
  return account === undefined ? noIdentity : googleIdentity({ kind: 'written', members: { ...account } }, systemPorts.files)
}

/** A backend on a bucket of the service. */
export function gcsBackend(service: GcsService, bucket: string): ObjectBackend {
  const identity = identityOf(service)
  const signer = new GcsSigner(service.endpoint, identity, systemPorts.clock)
  const connection = new GcsConnection(service.endpoint, identity)
  return createGcsBackend({ connection, signer, bucket, prefix: 'registry/', usualPartBytes: 16 * 1024 ** 2 })
}

/** Makes a bucket; gives its name. */
export async function makeGcsBucket(service: GcsService): Promise<string> {
  await using connection = new GcsConnection(service.endpoint, identityOf(service))
  const bucket = `berth-${randomUUID()}`
  const bytes = Buffer.from(JSON.stringify({ name: bucket }))
  const headers = { 'content-type': 'application/json' }
  await connection.ask({ method: 'POST', path: '/storage/v1/b', headers, body: { pieces: [bytes], sizeBytes: bytes.length }, signal })
  return bucket
}

/** Makes a bucket and a store in it, or another store on the one that is named. `leftovers` is every object and every multipart upload. */
export async function openGcs(
  service: GcsService,
  { bucket: named, store: more }: { readonly bucket?: string; readonly store?: Partial<ObjectStoreOptions> } = {},
): Promise<OpenStore & { readonly bucket: string }> {
  const bucket = named ?? (await makeGcsBucket(service))
  const store = createObjectStore({ backend: gcsBackend(service, bucket), ports: systemPorts, ...more })
  const backend = gcsBackend(service, bucket)
  const leftovers = async () => {
    const { objects } = await backend.list({ prefix: '', limit: 1_000 }, signal)
    const uploads = await Array.fromAsync(backend.listMultiparts('', signal))
    return [...objects, ...uploads].map(({ name }) => name)
  }
  const cleanup = async () => backend[Symbol.asyncDispose]()
  return { store, bucket, leftovers, cleanup }
}
