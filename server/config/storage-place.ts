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
