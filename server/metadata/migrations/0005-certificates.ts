/** Migration 5: certificates by ACME, the accounts that they are asked for with, and the challenges that are answered meanwhile. */
import type { Kysely } from 'kysely'
import { builderFor, create } from './builder.ts'

/** Creates the tables of certificates. */
export async function createCertificateTables(db: Kysely<unknown>): Promise<void> {
  const builder = builderFor(db)
  await create(builder, 'certificates', {
    host: 'text',
    directory_url: 'text',
    certificate: 'text?',
    private_key: 'bytes?',
    not_after: 'int64?',
    renew_at: 'int64?',
    failures: 'int64',
    next_try_at: 'int64?',
    last_error: 'text?',
    order_url: 'text?',
    order_key: 'bytes?',
    updated_at: 'int64',
  })
  await builder.index('certificates', ['host'], 'unique')
  await create(builder, 'acme_accounts', { directory_url: 'text', account_url: 'text', private_key: 'bytes', created_at: 'int64' })
  await builder.index('acme_accounts', ['directory_url'], 'unique')
  await create(builder, 'acme_challenges', { host: 'text', kind: 'text', token: 'text', proof: 'bytes', created_at: 'int64' })
  await builder.index('acme_challenges', ['token'], 'unique')
  await builder.index('acme_challenges', ['kind', 'host'])
}
