/** The tables of certificates by ACME. See schema.ts for what all tables share. */
import type { Generated } from 'kysely'

/** A host's certificate, or what became of the tries for one. Instants are milliseconds. */
export interface CertificatesTable {
  id: Generated<number>
  host: string
  directory_url: string
  /** PEM with its intermediates. */
  certificate: string | null
  /** Sealed PEM. */
  private_key: Buffer | null
  not_after: number | null
  renew_at: number | null
  failures: number
  next_try_at: number | null
  last_error: string | null
  order_url: string | null
  /** Sealed PEM. */
  order_key: Buffer | null
  updated_at: number
}

/** One a directory. */
export interface AcmeAccountsTable {
  id: Generated<number>
  directory_url: string
  account_url: string
  /** Sealed PEM. */
  private_key: Buffer
  created_at: number
}

/** What an authority is to find on one of our ports; there for seconds. */
export interface AcmeChallengesTable {
  id: Generated<number>
  host: string
  kind: string
  token: string
  /** Sealed. */
  proof: Buffer
  created_at: number
}
