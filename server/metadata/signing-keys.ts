/** Queries on `signing_keys`: the keys that sign Berth's own bearer tokens. There are a handful. */
import type { Reader, Transactor } from './metadata.ts'

/** A key. Instants are milliseconds; `publicKey` is a JWK as JSON, `privateKey` one that is sealed. */
export interface SigningKeyRow {
  readonly id: number
  readonly keyId: string
  readonly algorithm: string
  readonly publicKey: string
  readonly privateKey: Buffer
  readonly createdAt: number
  /** From then on it signs nothing. */
  readonly retiredAt: number | null
}

function selectKeys(reader: Reader | Transactor) {
  return reader
    .selectFrom('signing_keys')
    .select(['id', 'key_id as keyId', 'algorithm', 'public_key as publicKey', 'private_key as privateKey'])
    .select(['created_at as createdAt', 'retired_at as retiredAt'])
}

/** All, newest first. */
export async function signingKeyRows(reader: Reader | Transactor): Promise<SigningKeyRow[]> {
  return await selectKeys(reader).orderBy('id', 'desc').execute()
}

/** Adds a key that signs from now on. */
export async function insertSigningKey(
  tx: Transactor,
  key: Omit<SigningKeyRow, 'id' | 'createdAt' | 'retiredAt'> & { readonly at: number },
): Promise<void> {
  await tx
    .insertInto('signing_keys')
    .values({
      key_id: key.keyId,
      algorithm: key.algorithm,
      public_key: key.publicKey,
      private_key: Buffer.from(key.privateKey),
      created_at: key.at,
      retired_at: null,
    })
    .execute()
}

/** Retires every key that still signs, but for `exceptKeyId`; gives the ids of those that did. */
export async function retireSigningKeys(
  tx: Transactor,
  { exceptKeyId, at }: { readonly exceptKeyId: string; readonly at: number },
): Promise<string[]> {
  const rows = await tx
    .updateTable('signing_keys')
    .set({ retired_at: at })
    .where('retired_at', 'is', null)
    .where('key_id', '<>', exceptKeyId)
    .returning('key_id')
    .execute()
  return rows.map(({ key_id }) => key_id)
}

/** True if there was one. */
export async function deleteSigningKey(tx: Transactor, keyId: string): Promise<boolean> {
  const { numDeletedRows } = await tx.deleteFrom('signing_keys').where('key_id', '=', keyId).executeTakeFirst()
  return numDeletedRows > 0n
}

/** Deletes the keys that were retired before `at`: nothing they signed counts any more. */
export async function deleteSigningKeysRetiredBefore(tx: Transactor, at: number): Promise<number> {
  const { numDeletedRows } = await tx.deleteFrom('signing_keys').where('retired_at', '<', at).executeTakeFirst()
  return Number(numDeletedRows)
}
