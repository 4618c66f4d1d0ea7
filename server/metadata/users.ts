/** Queries on `users`: the accounts that Berth itself keeps. */
import type { Reader, Transactor } from './metadata.ts'
import { insertSetting } from './settings.ts'

/** An account, with what a password is checked against. */
export interface UserRow {
  readonly id: number
  readonly name: string
  /** PHC string. */
  readonly passwordHash: string
  readonly isAdmin: boolean
}

/** By the exact name, upper and lower case told apart; undefined when there is none. */
export async function findUser(reader: Reader | Transactor, name: string): Promise<UserRow | undefined> {
  const row = await reader
    .selectFrom('users')
    .select(['id', 'name', 'password_hash', 'is_admin'])
    .where('name', '=', name)
    .executeTakeFirst()
  return row && { id: row.id, name: row.name, passwordHash: row.password_hash, isAdmin: row.is_admin === 1 }
}

/** Whether there is any account. */
export async function hasUsers(reader: Reader | Transactor): Promise<boolean> {
  return (await reader.selectFrom('users').select('id').limit(1).executeTakeFirst()) !== undefined
}

/** What an account begins with. `passwordHash` is a PHC string, `at` is in milliseconds. */
export interface UserInput {
  readonly name: string
  readonly passwordHash: string
  readonly isAdmin: boolean
  readonly at: number
}

/** Adds an account; `'exists'` when the name is taken. */
export async function insertUser(tx: Transactor, user: UserInput): Promise<number | 'exists'> {
  const row = await tx
    .insertInto('users')
    .values({ name: user.name, password_hash: user.passwordHash, is_admin: user.isAdmin ? 1 : 0, created_at: user.at, updated_at: user.at })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id ?? 'exists'
}

/**
 * Adds the first administrator, in a database without accounts only; `'exists'` otherwise. Of several processes that start at once one gets its way:
 * the setting is unique, and who comes second waits for the first one's commit there.
 */
export async function insertFirstAdministrator(tx: Transactor, user: Omit<UserInput, 'isAdmin'>): Promise<number | 'exists'> {
  if (await hasUsers(tx)) return 'exists'
  if (!(await insertSetting(tx, 'first-administrator', { name: user.name, at: user.at }))) return 'exists'
  return await insertUser(tx, { ...user, isAdmin: true })
}

/** False when there is no such account. */
export async function setPasswordHash(
  tx: Transactor,
  change: { readonly name: string; readonly passwordHash: string; readonly at: number },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('users')
    .set({ password_hash: change.passwordHash, updated_at: change.at })
    .where('name', '=', change.name)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
