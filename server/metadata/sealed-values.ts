/** Values that are sealed under the keys of secrets.keyfile, wherever they stand, so that all can be sealed again under another key. */
import type { Reader, Transactor } from './metadata.ts'

/** A sealed value; `subject` is what its context names beside the kind. */
export interface SealedValue {
  readonly table: 'signing_keys' | 'providers' | 'second_factors' | 'certificates' | 'acme_accounts'
  readonly id: number
  readonly subject: string
  readonly value: Buffer
}

/** All of them. Second factors are as many as people who have one; the others a handful. */
export async function sealedValues(reader: Reader): Promise<readonly SealedValue[]> {
  const keys = await reader.selectFrom('signing_keys').select(['id', 'key_id', 'private_key']).execute()
  const providers = await reader.selectFrom('providers').select(['id', 'secrets']).where('secrets', 'is not', null).execute()
  const factors = await reader.selectFrom('second_factors').select(['id', 'user_id', 'secret']).where('kind', '=', 'totp').execute()
  const certificates = await reader
    .selectFrom('certificates')
    .select(['id', 'host', 'private_key'])
    .where('private_key', 'is not', null)
    .execute()
  const accounts = await reader.selectFrom('acme_accounts').select(['id', 'directory_url', 'private_key']).execute()
  return [
    ...keys.map(({ id, key_id, private_key }) => ({ table: 'signing_keys' as const, id, subject: key_id, value: private_key })),
    ...providers.flatMap(({ id, secrets }) =>
      secrets === null ? [] : [{ table: 'providers' as const, id, subject: String(id), value: secrets }],
    ),
    ...factors.map(({ id, user_id, secret }) => ({ table: 'second_factors' as const, id, subject: String(user_id), value: secret })),
    ...certificates.flatMap(({ id, host, private_key }) =>
      private_key === null ? [] : [{ table: 'certificates' as const, id, subject: host, value: private_key }],
    ),
    ...accounts.map(({ id, directory_url, private_key }) => ({
      table: 'acme_accounts' as const,
      id,
      subject: directory_url,
      value: private_key,
    })),
  ]
}

/** Replaces a value unless it was changed meanwhile; says whether it did. */
export async function replaceSealedValue(
  tx: Transactor,
  { table, id, from, to }: Pick<SealedValue, 'table' | 'id'> & { readonly from: Uint8Array; readonly to: Uint8Array },
): Promise<boolean> {
  const [before, after] = [Buffer.from(from), Buffer.from(to)]
  const update = () => {
    switch (table) {
      case 'signing_keys':
      case 'certificates':
      case 'acme_accounts':
        return tx.updateTable(table).set({ private_key: after }).where('id', '=', id).where('private_key', '=', before).executeTakeFirst()
      case 'providers':
        return tx.updateTable(table).set({ secrets: after }).where('id', '=', id).where('secrets', '=', before).executeTakeFirst()
      case 'second_factors':
        return tx.updateTable(table).set({ secret: after }).where('id', '=', id).where('secret', '=', before).executeTakeFirst()
    }
  }
  const { numUpdatedRows } = await update()
  return numUpdatedRows > 0n
}
