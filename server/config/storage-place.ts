/** What kind of place blobs are in, and where, for people. */
import type { NamedStoreConfig, StorageConfig } from './config.ts'

/** Whether it is an object store, which others reach as well; else it is this machine's. */
export function isObjectStore({ driver }: Pick<StorageConfig, 'driver'>): boolean {
  return driver !== 'filesystem' && driver !== 'memory'
}

function below(prefix: string): string {
  return prefix === '' ? '' : `, below ${prefix.replace(/\/$/u, '')}`
}

/** The directory, or the bucket and its service; undefined for memory. Never a key. */
export function describeStorage({ rootDirectory, s3, azure, gcs }: StorageConfig | NamedStoreConfig): string | undefined {
  if (s3 !== undefined) return `bucket ${s3.bucket} at ${new URL(s3.endpoint).host}${below(s3.prefix)}`
  if (azure !== undefined) return `container ${azure.container} of ${azure.accountName} on Azure${below(azure.prefix)}`
  if (gcs !== undefined) return `bucket ${gcs.bucket} on Google Cloud Storage${below(gcs.prefix)}`
  return rootDirectory
}

interface Bucket {
  readonly service: string
  readonly prefix: string
}

function bucketOf({ s3, azure, gcs }: NamedStoreConfig | StorageConfig): Bucket | undefined {
  if (s3 !== undefined) return { service: `${s3.endpoint} ${s3.bucket}`, prefix: s3.prefix }
  if (azure !== undefined) return { service: `${azure.endpoint} ${azure.container}`, prefix: azure.prefix }
  return gcs && { service: `${gcs.endpoint} ${gcs.bucket}`, prefix: gcs.prefix }
}

/** Whether both are in one bucket, and the one at the place of the other, or in it, or around it. */
export function isSamePart(one: NamedStoreConfig | StorageConfig, other: NamedStoreConfig | StorageConfig): boolean {
  const [first, second] = [bucketOf(one), bucketOf(other)]
  if (first === undefined || first.service !== second?.service) return false
  return first.prefix.startsWith(second.prefix) || second.prefix.startsWith(first.prefix)
}
