/** A Berth whose blobs are in a bucket of an S3 service. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { S3Connection } from '#blobs/s3-requests.ts'
import { systemPorts } from '#lib/ports.ts'
import { testDialect } from '#metadata/test-postgres.ts'
import { startBerth, type RunningBerth } from './start-berth.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** An endpoint, and who may use it. */
export interface S3Endpoint {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** Makes a bucket; gives its name. */
export async function makeBucket({ endpoint, ...keys }: S3Endpoint): Promise<string> {
  const bucket = `berth-${randomUUID()}`
  const place = { region: 'us-east-1', bucket, endpoint: new URL(endpoint), isPathStyle: true }
  await using connection = new S3Connection({ place, credentials: async () => keys, clock: systemPorts.clock })
  await connection.ask({ method: 'PUT', signal: new AbortController().signal })
  return bucket
}

/** Starts a server with a bucket and a database of its own. `storage` and `more` are laid over its configuration. */
export async function startBerthOnS3(
  service: S3Endpoint,
  storage: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
): Promise<RunningBerth & { readonly bucket: string }> {
  const bucket = await makeBucket(service)
  const data = await temporaryDirectory('s3-database')
  const s3 = {
    bucket,
    region: 'us-east-1',
    regionendpoint: service.endpoint,
    accesskey: service.accessKeyId,
    secretkey: service.secretAccessKey,
    rootdirectory: '/registry',
    ...(storage['s3'] as object | undefined),
  }
  const berth = await startBerth({
    dataDir: data.path,
    config: {
      ...more,
      secrets: { keyfile: join(data.path, 'berth.key') },
      ...(testDialect === 'postgres' ? {} : { database: { file: join(data.path, 'berth.db') } }),
      storage: { ...storage, filesystem: undefined, s3 },
    },
  })
  return {
    ...berth,
    bucket,
    [Symbol.asyncDispose]: async () => {
      await berth[Symbol.asyncDispose]()
      await data[Symbol.asyncDispose]()
    },
  }
}
