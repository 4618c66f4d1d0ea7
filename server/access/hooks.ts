/**
 * What sign-in asks of those who know one kind of credential: each a function that `main.ts` hands in, so that tokens, sessions, certificates and
 * outside providers are built without this part knowing them. A kind that is absent is refused.
 */
import type { PasswordFile } from './htpasswd-provider.ts'
import type { ExternalIdentity, PasswordProvider } from './password-provider.ts'
import type { Right } from './decide.ts'
import type { RefusedFacts } from './refused-credential.ts'

/** The row behind a secret of high entropy, and whose it is. `userId` for personal tokens, `robotId` for secrets of robots. */
export interface TokenOwner {
  readonly kind: 'personal' | 'robot'
  /** Of the row in `tokens`. */
  readonly id: number
  readonly userId?: number | undefined
  readonly robotId?: number | undefined
  /** What it allows at most; undefined: all that its owner may. */
  readonly scopes: readonly Right[] | undefined
  /** Milliseconds since the epoch; undefined: without end. */
  readonly expiresAt: number | undefined
}

/** The secret's row; undefined for one that is unknown or malformed. Expiry and the owner's state are judged by the caller. */
export type FindToken = (secret: string) => Promise<TokenOwner | undefined>

/** Why a secret is in no row, for the record. */
export type ExplainToken = (secret: string) => Promise<RefusedFacts>

/** Who a verified bearer token stands for. */
export type BearerOwner =
  | { readonly kind: 'user'; readonly id: number }
  | { readonly kind: 'robot'; readonly id: number }
  /** Of an outside token server, whose word is all that is known: it may what the token says. */
  | { readonly kind: 'external'; readonly name: string }
  | { readonly kind: 'anonymous' }

/** A bearer token whose signature, issuer and audience are right. */
export interface BearerIdentity {
  readonly owner: BearerOwner
  /** What the token allows at most, as repositories are called now. */
  readonly limits: readonly Right[]
  /** Milliseconds since the epoch. A token that ended less than a day ago is given too: an upload may be finished with it. */
  readonly issuedAt: number
  readonly expiresAt: number
  /** `users.version` or `robots.version` when it was issued; another one now ends the token. */
  readonly accountVersion?: number | undefined
}

/** Undefined for a token that is none of ours, forged, or ended long ago. Remembers what it verified. */
export type VerifyBearer = (token: string) => Promise<BearerIdentity | undefined>

/** What a trusted issuer's own token (of a CI job, of a service account) may act as. */
export interface WorkloadIdentity {
  readonly robotId: number
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** `name` is what was given as user name. Undefined for a token that no rule takes. Remembers what it verified. */
export type VerifyWorkload = (token: string, name: string) => Promise<WorkloadIdentity | undefined>

/** A browser's session. */
export interface SessionIdentity {
  readonly userId: number
  /** Of the row in `sessions`. */
  readonly sessionId: number
}

/** Undefined for a cookie whose session is over, unknown, or not complete yet. */
export type FindSession = (cookie: string, look?: SessionLook) => Promise<SessionIdentity | undefined>

/** How a session is looked at. `isWatching`: that is no use of it. */
export interface SessionLook {
  readonly isWatching?: boolean | undefined
}

/** A client certificate that TLS has verified already. */
export interface PeerCertificateFacts {
  readonly subject: string
  readonly commonName?: string | undefined
  /** `DNS:x`, `email:y`, `URI:z`. */
  readonly names: readonly string[]
  readonly fingerprint256: string
  /** Upper-case hexadecimal. */
  readonly serialNumber?: string | undefined
  readonly issuer?: string | undefined
}

/** Undefined for a certificate that is nobody's; throws UNAUTHORIZED for one that was revoked. */
export type FindCertificateOwner = (
  certificate: PeerCertificateFacts,
) => Promise<{ readonly kind: 'user' | 'robot'; readonly id: number } | undefined>

/** From where a sign-in came, for the record. */
export interface SignInPlace {
  readonly address: string
  readonly userAgent?: string | undefined
  readonly requestId: string
}

/** Finds or makes the account of somebody whom a provider has vouched for. Throws when there can be none. */
export type Onboard = (providerId: number, identity: ExternalIdentity, place: SignInPlace) => Promise<{ readonly userId: number }>

/** A password that was judged: `success` once for each time that it was really checked. */
export type NoteAttempt = (kind: AttemptKind, outcome: 'success' | 'failure' | 'blocked') => void

/** Kinds of credentials, as metrics tell them apart. */
export type AttemptKind = 'password' | 'personal' | 'robot' | 'bearer' | 'session' | 'certificate' | 'workload'

/** All of them. */
export interface SignInHooks {
  readonly findToken?: FindToken | undefined
  readonly explainToken?: ExplainToken | undefined
  readonly verifyBearer?: VerifyBearer | undefined
  readonly verifyWorkload?: VerifyWorkload | undefined
  readonly findSession?: FindSession | undefined
  readonly findCertificateOwner?: FindCertificateOwner | undefined
  /** In the order in which they are asked. */
  readonly passwordProviders?: (() => Promise<readonly PasswordProvider[]>) | undefined
  /** Files of names and passwords, in the order in which they are asked, before those who must be asked over the network. */
  readonly passwordFiles?: (() => Promise<readonly PasswordFile[]>) | undefined
  readonly onboard?: Onboard | undefined
  /** Has what a directory says of the account looked at again where it is too old to count. Throws UNAVAILABLE when it cannot be had. */
  readonly keepFresh?: ((userId: number) => Promise<void>) | undefined
  /** Whether passwords of Berth's own open accounts; they do unless it is said. */
  readonly isLocalOn?: (() => Promise<boolean>) | undefined
  readonly noteAttempt?: NoteAttempt | undefined
}
