/** A store of its own in a bucket of its own, on any service that speaks as S3 does. */
import { randomUUID } from 'node:crypto'
import { createObjectStore, type ObjectStoreOptions } from '#blobs/object-store.ts'
import { createS3Backend, type S3BackendOptions } from '#blobs/s3-backend.ts'
import { S3Connection } from '#blobs/s3-requests.ts'
import { elements, textOf } from '#blobs/s3-xml.ts'
import { systemPorts } from '#lib/ports.ts'
import type { OpenStore } from './store-fixture.ts'

/** Where a service is and who may use it. */
export interface S3Service {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** What of a store a test may have otherwise. */
export interface S3Variation {
  readonly backend?: Partial<S3BackendOptions>
  readonly store?: Partial<ObjectStoreOptions>
  /** Another store on the bucket of this name: another node. */
  readonly bucket?: string
}

/** Options of a backend for a bucket of the service. */
export function backendOptions({ endpoint, ...keys }: S3Service, bucket: string): S3BackendOptions {
  return {
    place: { region: 'us-east-1', bucket, endpoint: new URL(endpoint), isPathStyle: true },
    credentials: async () => keys,
    clock: systemPorts.clock,
    prefix: 'registry/',
    usualPartBytes: 16 * 1024 ** 2,
    objectHeaders: {},
  }
}

/** Makes a bucket and a store in it. `leftovers` is every object and every multipart upload; `cleanup` removes the bucket. */
export async function openS3(service: S3Service, variation: S3Variation = {}): Promise<OpenStore & { readonly bucket: string }> {
  const bucket = variation.bucket ?? `berth-${randomUUID()}`
  const options = { ...backendOptions(service, bucket), ...variation.backend }
  const signal = new AbortController().signal
  const connection = new S3Connection(backendOptions(service, bucket))
  if (variation.bucket === undefined) await connection.ask({ method: 'PUT', signal })
  const store = createObjectStore({ backend: createS3Backend(options), ports: systemPorts, ...variation.store })
  const leftovers = async () => [
    ...elements((await connection.ask({ method: 'GET', query: { 'list-type': '2' }, signal })).text, 'Key'),
    ...elements((await connection.ask({ method: 'GET', query: { uploads: '' }, signal })).text, 'UploadId'),
  ]
  const cleanup = async () => {
    if (variation.bucket === undefined) await removeBucket(connection, signal)
    await connection[Symbol.asyncDispose]()
  }
  return { store, bucket, leftovers, cleanup }
}

async function removeBucket(connection: S3Connection, signal: AbortSignal): Promise<void> {
  const { text } = await connection.ask({ method: 'GET', query: { 'list-type': '2' }, signal })
  for (const key of elements(text, 'Key')) await connection.ask({ method: 'DELETE', key, signal })
  const uploads = await connection.ask({ method: 'GET', query: { uploads: '' }, signal })
  for (const entry of elements(uploads.text, 'Upload')) {
    const [key = '', uploadId = ''] = [textOf(entry, 'Key'), textOf(entry, 'UploadId')]
    await connection.ask({ method: 'DELETE', key, query: { uploadId }, signal })
  }
  await connection.ask({ method: 'DELETE', signal })
}
