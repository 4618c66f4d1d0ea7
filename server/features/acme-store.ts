/** What of ACME is kept in rows: accounts, certificates, challenges, each secret sealed for its place. The transactions record what happened. */
import type { Directory } from '#access/directory.ts'
import type { SecretBox } from '#access/secret-box.ts'
import { recordEvent } from '#events/record.ts'
import type { Who } from '#events/event.ts'
import {
  deleteAcmeAccount,
  deleteAcmeChallenge,
  insertAcmeChallenge,
  putAcmeAccount,
  putCertificate,
  type AcmeAccountRow,
  type AcmeChallengeRow,
  type CertificateRow,
} from '#metadata/certificates.ts'
import { transaction } from '#metadata/transaction.ts'

/** What the verbs of ACME work with. */
export type AcmeParts = Pick<Directory, 'metadata' | 'ports' | 'log' | 'secrets'>

/** Where sealed values belong (secret-box.ts). */
export const sealContexts = {
  account: (directoryUrl: string) => `acme-account/${directoryUrl}`,
  certificate: (host: string) => `certificate/${host}`,
  order: (host: string) => `certificate-order/${host}`,
  challenge: (token: string) => `acme-challenge/${token}`,
} as const

const nobody: Who = { actor: '', requestId: '' }

/** Keeps an account. */
export const keepAccount = transaction(
  import.meta.url,
  'acme/keep-account',
  (tx, account: Omit<AcmeAccountRow, 'id'> & { readonly at: number }) => putAcmeAccount(tx, account),
)

/** Forgets an account that the authority does not know. */
export const forgetAccount = transaction(import.meta.url, 'acme/forget-account', (tx, directoryUrl: string) =>
  deleteAcmeAccount(tx, directoryUrl),
)

/** Has a challenge answered by all processes. */
export const showProof = transaction(import.meta.url, 'acme/show-proof', (tx, challenge: AcmeChallengeRow & { readonly at: number }) =>
  insertAcmeChallenge(tx, challenge),
)

/** Ends that. */
export const hideProof = transaction(import.meta.url, 'acme/hide-proof', (tx, token: string) => deleteAcmeChallenge(tx, token))

/** Keeps how far a host's order is. */
export const keepOrder = transaction(
  import.meta.url,
  'acme/keep-order',
  (tx, order: Pick<CertificateRow, 'host' | 'orderUrl' | 'orderKey'> & { readonly at: number }) => putCertificate(tx, order),
)

/** Of {@link keepCertificate}. */
export interface IssuedCertificate extends Pick<
  CertificateRow,
  'host' | 'directoryUrl' | 'certificate' | 'privateKey' | 'notAfter' | 'renewAt'
> {
  readonly at: number
  /** For the record: serial number and end. */
  readonly detail: Readonly<Record<string, unknown>>
}

/** Keeps a certificate for all processes to serve. */
export const keepCertificate = transaction(
  import.meta.url,
  'acme/keep-certificate',
  async (tx, { detail, ...issued }: IssuedCertificate) => {
    await putCertificate(tx, { ...issued, failures: 0, nextTryAt: null, lastError: null, orderUrl: null, orderKey: null })
    await recordEvent(tx, { action: 'certificate.issued', target: `certificate:${issued.host}`, detail, at: issued.at, ...nobody })
  },
)

/** Of {@link keepFailure}. */
export interface FailedCertificate extends Pick<CertificateRow, 'host' | 'failures' | 'nextTryAt' | 'lastError'> {
  readonly at: number
  /** The order is spent: the next try needs another. */
  readonly endsOrder: boolean
  /** A word for the record: the type of the authority's problem. */
  readonly reason: string
}

/** Keeps that a try failed, why, and when the next one is. */
export const keepFailure = transaction(
  import.meta.url,
  'acme/keep-failure',
  async (tx, { endsOrder, reason, ...failed }: FailedCertificate) => {
    await putCertificate(tx, { ...failed, ...(endsOrder ? { orderUrl: null, orderKey: null } : {}) })
    const detail = { error: failed.lastError, failures: failed.failures }
    const target = `certificate:${failed.host}`
    await recordEvent(tx, { action: 'certificate.failed', target, detail, at: failed.at, outcome: 'failure', reason, ...nobody })
  },
)

/** Opens a sealed value; undefined when it cannot be (another key sealed it), which makes it as good as not there. */
export function openSealed(
  { secrets, log }: { readonly secrets: SecretBox } & Pick<AcmeParts, 'log'>,
  sealed: Buffer | null,
  context: string,
): string | undefined {
  if (sealed === null) return undefined
  try {
    return secrets.open(sealed, context)
  } catch (error) {
    log.warn({ err: error }, 'a secret of ACME cannot be opened: another one is asked for')
    return undefined
  }
}
