/**
 * Credentials for S3 from AWS's own sources, in its own order: environment, shared files and profiles, single sign-on, web identity (EKS), container, instance.
 * AWS's library is loaded only where no key is configured: its sources are many, change, and are not worth writing again (docs/decisions).
 */
import type { S3CredentialSource } from './s3-requests.ts'

/** The two keys that the configuration names. */
export function fixedCredentials(credentials: Awaited<ReturnType<S3CredentialSource>>): S3CredentialSource {
  return async () => credentials
}

/** AWS's chain. It remembers what it found until shortly before that expires. */
export function chainedCredentials(region: string): S3CredentialSource {
  let chain: Promise<(options?: { forceRefresh?: boolean }) => ReturnType<S3CredentialSource>> | undefined
  return async ({ refresh }) => {
    chain ??= import('@aws-sdk/credential-provider-node').then(({ defaultProvider }) => defaultProvider({ clientConfig: { region } }))
    const { accessKeyId, secretAccessKey, sessionToken } = await (await chain)({ forceRefresh: refresh })
    return { accessKeyId, secretAccessKey, sessionToken }
  }
}
