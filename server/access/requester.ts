/** What of a request tells who sent it. */
import type { PeerCertificateFacts } from './hooks.ts'
import type { Awaited } from './refusal-pace.ts'

/** Made by http for each request that must be judged. */
export interface Requester {
  /** The header as it came. */
  readonly authorization: string | undefined
  /** Value of the session cookie; of the management API only. */
  readonly session?: string | undefined
  /** Of the client, when TLS has verified it. */
  readonly certificate?: PeerCertificateFacts | undefined
  /** Of the client, for back-off and networks; empty on a unix socket. */
  readonly address: string
  readonly userAgent?: string | undefined
  readonly requestId: string
  /** The upload session that the request goes on with: it may be finished by a bearer token that was good when it began and has ended meanwhile. */
  readonly uploadId?: string | undefined
  /** The password is given to a form that will ask for the second factor too; elsewhere it opens nothing where there is one. */
  readonly isSignIn?: boolean | undefined
  /** Whom a refusal that is held back is for; absent: somebody who waits. */
  readonly awaited?: Awaited | undefined
  /** Somebody who was let in before is looked at again: no use of the session, whose idle time goes on. */
  readonly isWatching?: boolean | undefined
  /** Of /v2: there an open registry lets anyone do anything; elsewhere it lets them look. */
  readonly isRegistryRequest?: boolean | undefined
}
