/** The blob store on S3 that a configuration describes: which endpoint, whose credentials, which headers, where clients are sent. */
import type { Clock } from '#lib/ports.ts'
import type { ObjectBackend } from './object-backend.ts'
import { createS3Backend } from './s3-backend.ts'
import { chainedCredentials, fixedCredentials } from './s3-credentials.ts'
import type { S3Place } from './s3-requests.ts'
import type { S3Config } from '#config/config.ts'

/** The service of `storage.s3`. Asks nothing of it yet. */
export function openS3(config: S3Config, clock: Pick<Clock, 'now'>): ObjectBackend {
  const { region, bucket, isPathStyle, credentials, publicEndpoint } = config
  const at = (endpoint: string): S3Place => ({ region, bucket, isPathStyle, endpoint: new URL(endpoint) })
  return createS3Backend({
    place: at(config.endpoint),
    publicPlace: publicEndpoint === undefined ? undefined : at(publicEndpoint),
    credentials: credentials === undefined ? chainedCredentials(region) : fixedCredentials(credentials),
    clock,
    skipVerify: config.skipVerify,
    userAgent: config.userAgent ?? 'berth',
    prefix: config.prefix,
    usualPartBytes: config.partBytes,
    objectHeaders: headersOf(config),
  })
}

function headersOf({ storageClass, encryption, objectAcl }: S3Config): Record<string, string> {
  return {
    ...(storageClass === undefined ? {} : { 'x-amz-storage-class': storageClass }),
    ...(objectAcl === undefined ? {} : { 'x-amz-acl': objectAcl }),
    ...encryptionOf(encryption),
  }
}

function encryptionOf(encryption: S3Config['encryption']): Record<string, string> {
  if (encryption === undefined) return {}
  const { keyId } = encryption
  if (keyId === undefined || keyId === '') return { 'x-amz-server-side-encryption': 'AES256' }
  return { 'x-amz-server-side-encryption': 'aws:kms', 'x-amz-server-side-encryption-aws-kms-key-id': keyId }
}
