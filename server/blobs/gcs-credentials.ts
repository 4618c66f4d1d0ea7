/**
 * Credentials for Google Cloud Storage by Google's own library: a service account's key, workload identity, gcloud's login, the machine's account. It is
 * loaded by the first request that needs them, and so only where the store is configured.
 */
import { createSign } from 'node:crypto'
import type { GoogleAuth } from 'google-auth-library'
import type { GcsConfig } from '#config/config.ts'
import type { Files } from '#lib/ports.ts'
import type { GcsIdentity } from './gcs-requests.ts'

const scope = 'https://www.googleapis.com/auth/devstorage.read_write'
const signingScope = 'https://www.googleapis.com/auth/cloud-platform'

/** For a service that asks nobody who he is. */
export const noIdentity: GcsIdentity = {
  authorization: async () => undefined,
  renew: () => undefined,
  email: async () => undefined,
  sign: async () => undefined,
}

/** Reads and asks nothing yet. */
export function googleIdentity(credentials: GoogleCredentials, files: Pick<Files, 'readFile'>): GcsIdentity {
  let opening: Promise<GoogleAuth> | undefined
  const opened = () => {
    if (opening !== undefined) return opening
    const started = open(credentials, files)
    opening = started
    // A file that is not there may be there the next time.
    started.catch(() => (opening = undefined))
    return started
  }
  return {
    async authorization() {
      // A key signs its own token for this address; the others fetch theirs, and keep it until shortly before it ends.
      const headers = await (await opened()).getRequestHeaders('https://storage.googleapis.com/')
      return headers.get('authorization') ?? undefined
    },
    renew: () => (opening = undefined),
    async email() {
      const { client_email: email } = await (await opened()).getCredentials()
      return email
    },
    async sign(text) {
      const auth = await opened()
      const { private_key: key } = await auth.getCredentials()
      if (key !== undefined) return createSign('RSA-SHA256').update(text).sign(key)
      return Buffer.from(await auth.sign(text), 'base64')
    },
  }
}

async function open(credentials: GoogleCredentials, files: Pick<Files, 'readFile'>): Promise<GoogleAuth> {
  const library = await import('google-auth-library')
  const auth = new library.GoogleAuth({ scopes: credentials.kind === 'default' ? [scope, signingScope] : [scope] })
  auth.useJWTAccessWithScope = true
  // Not by its options, which print a warning about files of strangers: this one is the operator's.
  if (credentials.kind !== 'default') auth.jsonContent = await membersOf(credentials, files)
  return auth
}

type GoogleCredentials = Exclude<GcsConfig['credentials'], { kind: 'none' }>

async function membersOf(
  credentials: Exclude<GoogleCredentials, { kind: 'default' }>,
  files: Pick<Files, 'readFile'>,
): Promise<Record<string, unknown>> {
  if (credentials.kind === 'written') return { ...credentials.members }
  const value: unknown = JSON.parse(await files.readFile(credentials.file, 'utf8'))
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
