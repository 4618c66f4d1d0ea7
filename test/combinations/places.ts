/** Every kind of place that blobs can be in, each empty and for one server. */
import { randomUUID } from 'node:crypto'
import { containerOf, type AzureService } from '../drivers/azure-fixture.ts'
import { startS3Double } from '../support/s3-double.ts'
import { makeBucket, type S3Endpoint } from '../support/s3-place.ts'

/** `storage` of a configuration, or undefined for the server's own directory. */
export interface Place {
  readonly name: string
  readonly isFar: boolean
  make(): Promise<Readonly<Record<string, unknown>> | undefined>
  end?(): Promise<void>
}

function told<Value>(variable: string): Value {
  const text = process.env[variable]
  if (text === undefined) throw new Error(`${variable} is not set: \`npm run test:combinations\` starts what these tests need`)
  return JSON.parse(text) as Value
}

async function onS3(service: S3Endpoint): Promise<Readonly<Record<string, unknown>>> {
  const { endpoint: regionendpoint, accessKeyId: accesskey, secretAccessKey: secretkey } = service
  const bucket = await makeBucket(service)
  return { s3: { bucket, region: 'us-east-1', regionendpoint, accesskey, secretkey, rootdirectory: '/registry' } }
}

async function onAzure(service: AzureService): Promise<Readonly<Record<string, unknown>>> {
  const container = `berth-${randomUUID()}`
  await containerOf(service, container).create()
  const { endpoint, accountName: accountname, accountKey: accountkey } = service
  return { azure: { accountname, accountkey, container, endpoint, rootdirectory: '/registry' } }
}

/** All of them. The double answers one request in twenty with "slow down". */
export async function openPlaces(): Promise<readonly Place[]> {
  const [rgw, azurite] = [told<S3Endpoint>('BERTH_TEST_RGW'), told<AzureService>('BERTH_TEST_AZURITE')]
  const double = await startS3Double()
  const onDouble = async () => {
    double.faults.busyPercent = 0
    const storage = await onS3(double)
    double.faults.busyPercent = 5
    return storage
  }
  return [
    { name: 'a directory', isFar: false, make: () => Promise.resolve(undefined) },
    { name: 'S3 of Ceph RGW', isFar: true, make: () => onS3(rgw) },
    { name: 'Azurite', isFar: true, make: () => onAzure(azurite) },
    { name: 'a strict S3 that is busy at times', isFar: true, make: onDouble, end: async () => await double[Symbol.asyncDispose]() },
  ]
}
