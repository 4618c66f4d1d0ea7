/** Which object store a configuration names. */
import type { StorageConfig } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'
import { openAzure } from './azure.ts'
import { openGcs } from './gcs.ts'
import type { ObjectBackend } from './object-backend.ts'
import { openS3 } from './s3.ts'

/** A service, and what stands before each name in it. */
export interface ObjectPlace {
  readonly backend: ObjectBackend
  readonly prefix: string
}

/** The backend of an object store and the prefix of its names; undefined where the bytes are on this machine. */
export function openObjectBackend(
  { storage }: { readonly storage: Pick<StorageConfig, 's3' | 'azure' | 'gcs'> },
  ports: Pick<Ports, 'clock' | 'random' | 'files'>,
): ObjectPlace | undefined {
  const { s3, azure, gcs } = storage
  if (s3 !== undefined) return { backend: openS3(s3, ports.clock), prefix: s3.prefix }
  if (azure !== undefined) return { backend: openAzure(azure, ports), prefix: azure.prefix }
  if (gcs !== undefined) return { backend: openGcs(gcs, ports), prefix: gcs.prefix }
  return undefined
}
