/** The blob store on Google Cloud Storage that a configuration describes. */
import type { GcsConfig } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'
import { createGcsBackend } from './gcs-backend.ts'
import { googleIdentity, noIdentity } from './gcs-credentials.ts'
import { GcsConnection } from './gcs-requests.ts'
import { GcsSigner } from './gcs-sign.ts'
import type { ObjectBackend } from './object-backend.ts'

/** The service of `storage.gcs`. Asks nothing of it yet. */
export function openGcs(
  { endpoint, credentials, bucket, prefix, partBytes }: GcsConfig,
  { clock, files }: Pick<Ports, 'clock' | 'files'>,
): ObjectBackend {
  const identity = credentials.kind === 'none' ? noIdentity : googleIdentity(credentials, files)
  const connection = new GcsConnection(endpoint, identity)
  return createGcsBackend({ connection, signer: new GcsSigner(endpoint, identity, clock), bucket, prefix, usualPartBytes: partBytes })
}
