/** The tables of certificates by ACME: `certificates` (one row a host), `acme_accounts` (one a directory), `acme_challenges` (while they are answered). */
import type { Reader, Transactor } from './metadata.ts'

/** A host's certificate, or what became of the tries for one. Instants are milliseconds. */
export interface CertificateRow {
  readonly id: number
  readonly host: string
  /** Of the authority that it is by. */
  readonly directoryUrl: string
  /** PEM with its intermediates; null before the first. */
  readonly certificate: string | null
  /** Sealed PEM. */
  readonly privateKey: Buffer | null
  readonly notAfter: number | null
  readonly renewAt: number | null
  /** Since the last that succeeded. */
  readonly failures: number
  readonly nextTryAt: number | null
  readonly lastError: string | null
  /** The order under way, so that one who goes on after a kill need not ask for another. */
  readonly orderUrl: string | null
  /** Sealed PEM: the key that the order will be finished with. */
  readonly orderKey: Buffer | null
  readonly updatedAt: number
}

function selectCertificates(reader: Reader | Transactor) {
  return reader
    .selectFrom('certificates')
    .select(['id', 'host', 'directory_url as directoryUrl', 'certificate', 'private_key as privateKey'])
    .select(['not_after as notAfter', 'renew_at as renewAt', 'failures', 'next_try_at as nextTryAt', 'last_error as lastError'])
    .select(['order_url as orderUrl', 'order_key as orderKey', 'updated_at as updatedAt'])
}

/** All, by host. There are as many as hosts were ever configured. */
export async function certificateRows(reader: Reader | Transactor): Promise<CertificateRow[]> {
  return await selectCertificates(reader).orderBy('host').execute()
}

/** Undefined before anything was tried for the host. */
export async function findCertificate(reader: Reader | Transactor, host: string): Promise<CertificateRow | undefined> {
  return await selectCertificates(reader).where('host', '=', host).executeTakeFirst()
}

/** Writes what is named of the host's row, and makes it where there is none. */
export async function putCertificate(
  tx: Transactor,
  { host, at, ...change }: { readonly host: string; readonly at: number } & Partial<Omit<CertificateRow, 'id' | 'host' | 'updatedAt'>>,
): Promise<void> {
  const existing = await findCertificate(tx, host)
  const bytes = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value))
  const next = { ...emptyRow, ...existing, ...change }
  const values = {
    directory_url: next.directoryUrl,
    certificate: next.certificate,
    private_key: bytes(next.privateKey),
    not_after: next.notAfter,
    renew_at: next.renewAt,
    failures: next.failures,
    next_try_at: next.nextTryAt,
    last_error: next.lastError,
    order_url: next.orderUrl,
    order_key: bytes(next.orderKey),
    updated_at: at,
  }
  if (existing === undefined)
    await tx
      .insertInto('certificates')
      .values({ host, ...values })
      .execute()
  else await tx.updateTable('certificates').set(values).where('id', '=', existing.id).execute()
}

const emptyRow: Omit<CertificateRow, 'id' | 'host' | 'updatedAt'> = {
  directoryUrl: '',
  certificate: null,
  privateKey: null,
  notAfter: null,
  renewAt: null,
  failures: 0,
  nextTryAt: null,
  lastError: null,
  orderUrl: null,
  orderKey: null,
}

/** An account at an ACME authority. */
export interface AcmeAccountRow {
  readonly id: number
  readonly directoryUrl: string
  readonly accountUrl: string
  /** Sealed PEM. */
  readonly privateKey: Buffer
}

/** Undefined before one was made. */
export async function findAcmeAccount(reader: Reader | Transactor, directoryUrl: string): Promise<AcmeAccountRow | undefined> {
  return await reader
    .selectFrom('acme_accounts')
    .select(['id', 'directory_url as directoryUrl', 'account_url as accountUrl', 'private_key as privateKey'])
    .where('directory_url', '=', directoryUrl)
    .executeTakeFirst()
}

/** Keeps the account in place of the one before. */
export async function putAcmeAccount(tx: Transactor, account: Omit<AcmeAccountRow, 'id'> & { readonly at: number }): Promise<void> {
  await deleteAcmeAccount(tx, account.directoryUrl)
  await tx
    .insertInto('acme_accounts')
    .values({
      directory_url: account.directoryUrl,
      account_url: account.accountUrl,
      private_key: Buffer.from(account.privateKey),
      created_at: account.at,
    })
    .execute()
}

/** For one that the authority does not know any more. */
export async function deleteAcmeAccount(tx: Transactor, directoryUrl: string): Promise<void> {
  await tx.deleteFrom('acme_accounts').where('directory_url', '=', directoryUrl).execute()
}

/** What an authority asks for on one of our ports. */
export interface AcmeChallengeRow {
  readonly host: string
  readonly kind: string
  readonly token: string
  /** Sealed: what is to be answered. */
  readonly proof: Buffer
}

/** Challenges that nobody took back (a kill) are forgotten after so long. */
const challengesKeptMs = 3_600_000

/** Has it answered from now on. */
export async function insertAcmeChallenge(tx: Transactor, challenge: AcmeChallengeRow & { readonly at: number }): Promise<void> {
  const { host, kind, token, at } = challenge
  await tx
    .deleteFrom('acme_challenges')
    .where((where) => where.or([where('created_at', '<', at - challengesKeptMs), where('host', '=', host), where('token', '=', token)]))
    .execute()
  await tx
    .insertInto('acme_challenges')
    .values({ host, kind, token, proof: Buffer.from(challenge.proof), created_at: at })
    .execute()
}

/** It is answered no more. */
export async function deleteAcmeChallenge(tx: Transactor, token: string): Promise<void> {
  await tx.deleteFrom('acme_challenges').where('token', '=', token).execute()
}

/** Those of a kind, for the few seconds in which there are any. */
export async function acmeChallenges(reader: Reader, kind: string): Promise<AcmeChallengeRow[]> {
  return await reader
    .selectFrom('acme_challenges')
    .select(['host', 'kind', 'token', 'proof'])
    .where('kind', '=', kind)
    .limit(challengesMax)
    .execute()
}

const challengesMax = 1_000
