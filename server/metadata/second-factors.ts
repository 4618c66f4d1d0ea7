/** Queries on `second_factors`: what proves a person beyond the password. */
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'

export type FactorKind = 'totp' | 'webauthn' | 'recovery'

/** Instants in milliseconds. */
export interface FactorRow {
  readonly id: number
  readonly userId: number
  readonly kind: FactorKind
  readonly name: string
  /** Base64url; WebAuthn alone has one. */
  readonly credentialId: string | undefined
  readonly secret: Buffer
  readonly counter: number
  readonly createdAt: number
  readonly lastUsedAt: number | undefined
}

/** The factors of an account, recovery codes included, the oldest first. */
export async function factorsOfUser(reader: Reader | Transactor, userId: number): Promise<readonly FactorRow[]> {
  const rows = await reader.selectFrom('second_factors').selectAll().where('user_id', '=', userId).orderBy('id').execute()
  return rows.map((row) => ({
    id: row.id,
    userId: row.user_id,
    kind: row.kind,
    name: row.name,
    credentialId: row.credential_id ?? undefined,
    secret: row.secret,
    counter: row.counter,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at ?? undefined,
  }))
}

const first = prepare<{ userId: number }, { id: number }>((db, param) =>
  db.selectFrom('second_factors').select('id').where('user_id', '=', param('userId')).where('kind', 'in', ['totp', 'webauthn']).limit(1),
)

/** Whether a password alone no longer opens the account. Recovery codes by themselves are no factor. */
export async function hasSecondFactor(reader: Reader | Transactor, userId: number): Promise<boolean> {
  return (await first(reader, { userId })).length > 0
}

/** What a factor begins with. */
export interface FactorInput {
  readonly userId: number
  readonly kind: FactorKind
  readonly name: string
  readonly credentialId: string | undefined
  readonly secret: Buffer
  readonly counter: number
  readonly at: number
}

/** Adds a factor; its id. */
export async function insertFactor(tx: Transactor, input: FactorInput): Promise<number> {
  const { id } = await tx
    .insertInto('second_factors')
    .values({
      user_id: input.userId,
      kind: input.kind,
      name: input.name,
      credential_id: input.credentialId ?? null,
      secret: Buffer.from(input.secret),
      counter: input.counter,
      created_at: input.at,
      last_used_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Notes a use. With `isIncreasing`, only if the counter grows by it: false means that this very proof was used before. */
export async function useFactor(
  tx: Transactor,
  use: { readonly id: number; readonly counter: number; readonly isIncreasing: boolean; readonly at: number },
): Promise<boolean> {
  let query = tx.updateTable('second_factors').set({ counter: use.counter, last_used_at: use.at }).where('id', '=', use.id)
  if (use.isIncreasing) query = query.where('counter', '<', use.counter)
  return (await query.executeTakeFirst()).numUpdatedRows > 0n
}

/** Takes the recovery code out of the account's; false when there is no such code. */
export async function takeRecoveryCode(tx: Transactor, code: { readonly userId: number; readonly hash: Buffer }): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('second_factors')
    .where('user_id', '=', code.userId)
    .where('kind', '=', 'recovery')
    .where('secret', '=', Buffer.from(code.hash))
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** The row that was removed; undefined when the account has no such factor. */
export async function deleteFactor(
  tx: Transactor,
  factor: { readonly id: number; readonly userId: number },
): Promise<{ readonly kind: FactorKind; readonly name: string } | undefined> {
  return await tx
    .deleteFrom('second_factors')
    .where('id', '=', factor.id)
    .where('user_id', '=', factor.userId)
    .where('kind', '!=', 'recovery')
    .returning(['kind', 'name'])
    .executeTakeFirst()
}

/** Removes factors of the account: those of one kind, or all. How many they were. */
export async function deleteFactorsOfUser(
  tx: Transactor,
  factors: { readonly userId: number; readonly kind?: FactorKind | undefined },
): Promise<number> {
  let query = tx.deleteFrom('second_factors').where('user_id', '=', factors.userId)
  if (factors.kind !== undefined) query = query.where('kind', '=', factors.kind)
  return Number((await query.executeTakeFirst()).numDeletedRows)
}
