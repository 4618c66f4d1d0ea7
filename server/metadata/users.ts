/** Queries on `users`: accounts of people. Robots are in robots.ts. */
import { sql, type SqlBool } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import { insertSetting } from './settings.ts'

/** An account, with what a password is checked against. */
export interface UserRow {
  readonly id: number
  readonly name: string
  /** PHC string; empty: no password of Berth's own opens it. */
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

/** Whether there is any account but those that were made for users of an htpasswd file, who administer nothing. */
export async function hasUsers(reader: Reader | Transactor): Promise<boolean> {
  const query = reader
    .selectFrom('users')
    .select('users.id')
    .where((eb) =>
      eb.or([
        eb('users.is_admin', '=', 1),
        eb('users.password_hash', '<>', ''),
        eb.not(
          eb.exists(
            eb
              .selectFrom('identities')
              .innerJoin('providers', 'providers.id', 'identities.provider_id')
              .select('identities.id')
              .whereRef('identities.user_id', '=', 'users.id')
              .where('providers.kind', '=', 'htpasswd'),
          ),
        ),
      ]),
    )
  return (await query.limit(1).executeTakeFirst()) !== undefined
}

/** An account as people see it: nothing that a password could be guessed from. Instants are in milliseconds. */
export interface UserRecord {
  readonly id: number
  readonly name: string
  readonly displayName: string
  readonly email: string
  readonly isAdmin: boolean
  readonly isDisabled: boolean
  readonly hasPassword: boolean
  readonly version: number
  readonly createdAt: number
  readonly updatedAt: number
  readonly lastLoginAt: number | null
}

// Sorting by a column that may be null would lose rows between pages; migration 2 has an index on this expression.
const lastLogin = sql<number>`coalesce(last_login_at, 0)`

function selectRecords(reader: Reader | Transactor) {
  return reader
    .selectFrom((from) =>
      from
        .selectFrom('users')
        .select(['id', 'name', 'display_name', 'email', 'is_admin', 'is_disabled', 'version', 'created_at', 'updated_at', 'last_login_at'])
        .select([lastLogin.as('last_login'), sql<number>`case when password_hash = '' then 0 else 1 end`.as('has_password')])
        .as('users'),
    )
    .selectAll()
}

type RecordRow = Awaited<ReturnType<ReturnType<typeof selectRecords>['executeTakeFirstOrThrow']>>

function recordOf(row: RecordRow): UserRecord {
  return {
    id: row.id,
    name: row.name,
    displayName: row.display_name,
    email: row.email,
    isAdmin: row.is_admin === 1,
    isDisabled: row.is_disabled === 1,
    hasPassword: row.has_password === 1,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastLoginAt: row.last_login_at,
  }
}

/** Undefined when there is no account of that id. */
export async function userRecord(reader: Reader | Transactor, id: number): Promise<UserRecord | undefined> {
  const row = await selectRecords(reader).where('users.id', '=', id).executeTakeFirst()
  return row && recordOf(row)
}

/** What a list of accounts may be narrowed by. `provider` is a provider's name; `local` stands for accounts with a password of their own. */
export interface UserFilter {
  readonly namePrefix?: string | undefined
  readonly isAdmin?: boolean | undefined
  readonly isDisabled?: boolean | undefined
  readonly provider?: string | undefined
}

export type UserSort = 'name' | 'createdAt' | 'lastLoginAt'

const sortColumns: Readonly<Record<UserSort, string>> = {
  name: 'users.name',
  createdAt: 'users.created_at',
  lastLoginAt: 'users.last_login',
}

function sortValue(record: UserRecord, sort: UserSort): string | number {
  if (sort === 'name') return record.name
  return sort === 'createdAt' ? record.createdAt : (record.lastLoginAt ?? 0)
}

/** A page of accounts. */
export async function listUserRecords(reader: Reader, filter: UserFilter, page: PageRequest<UserSort>): Promise<Page<UserRecord>> {
  const { namePrefix, isAdmin, isDisabled, provider } = filter
  let query = selectRecords(reader)
  if (namePrefix !== undefined) query = query.where(startsWith('users.name', namePrefix))
  if (isAdmin !== undefined) query = query.where('users.is_admin', '=', isAdmin ? 1 : 0)
  if (isDisabled !== undefined) query = query.where('users.is_disabled', '=', isDisabled ? 1 : 0)
  if (provider === 'local') query = query.where('users.has_password', '=', 1)
  else if (provider !== undefined) {
    query = query.where('users.id', 'in', (from) =>
      from
        .selectFrom('identities')
        .innerJoin('providers', 'providers.id', 'identities.provider_id')
        .where('providers.name', '=', provider)
        .select('identities.user_id'),
    )
  }
  const rows = await paged(query, page, { column: sortColumns[page.column], id: 'users.id' }).execute()
  return pageFrom(rows.map(recordOf), page, (record) => sortValue(record, page.column))
}

/** Whether the column's text begins so. Says a range, which an index serves; characters of LIKE have no meaning in it. */
export function startsWith(column: string, prefix: string): ReturnType<typeof sql<SqlBool>> {
  // U+10FFFF sorts after every character that a name may hold, in both databases' byte order.
  return sql<SqlBool>`(${sql.ref(column)} >= ${prefix} and ${sql.ref(column)} < ${`${prefix}\u{10FFFF}`})`
}

/** Names of the providers that vouch for each of the accounts. */
export async function providersOfUsers(reader: Reader, userIds: readonly number[]): Promise<ReadonlyMap<number, readonly string[]>> {
  const found = new Map<number, string[]>()
  if (userIds.length === 0) return found
  const rows = await reader
    .selectFrom('identities')
    .innerJoin('providers', 'providers.id', 'identities.provider_id')
    .where('identities.user_id', 'in', [...userIds])
    .select(['identities.user_id', 'providers.name'])
    .orderBy('providers.name')
    .execute()
  for (const { user_id, name } of rows) found.set(user_id, [...(found.get(user_id) ?? []), name])
  return found
}

/** What an account begins with. `passwordHash` is a PHC string or empty, `at` is in milliseconds. */
export interface UserInput {
  readonly name: string
  readonly passwordHash: string
  readonly isAdmin: boolean
  readonly at: number
  readonly displayName?: string | undefined
  readonly email?: string | undefined
}

/** Adds an account; `'exists'` when the name is taken. */
export async function insertUser(tx: Transactor, user: UserInput): Promise<number | 'exists'> {
  const row = await tx
    .insertInto('users')
    .values({
      name: user.name,
      password_hash: user.passwordHash,
      is_admin: user.isAdmin ? 1 : 0,
      created_at: user.at,
      updated_at: user.at,
      display_name: user.displayName ?? '',
      email: user.email ?? '',
      is_disabled: 0,
      version: 1,
      last_login_at: null,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id ?? 'exists'
}

/** Whether another account than `exceptId` has this name, upper and lower case taken for the same. */
export async function isUserNameTaken(tx: Reader | Transactor, name: string, exceptId?: number): Promise<boolean> {
  let query = tx
    .selectFrom('users')
    .select('id')
    .where(sql<SqlBool>`(lower(name) = ${name.toLowerCase()} or name = ${name})`)
  if (exceptId !== undefined) query = query.where('id', '<>', exceptId)
  return (await query.limit(1).executeTakeFirst()) !== undefined
}

/** Whether somebody else could still administer when this account could not. */
export async function hasOtherAdministrator(tx: Transactor, id: number): Promise<boolean> {
  const query = tx.selectFrom('users').select('id').where('is_admin', '=', 1).where('is_disabled', '=', 0).where('id', '<>', id)
  return (await query.limit(1).executeTakeFirst()) !== undefined
}

/**
 * Adds the first administrator, in a database without accounts only (see {@link hasUsers}); `'exists'` otherwise. Of several processes that start at once one gets its way:
 * the setting is unique, and who comes second waits for the first one's commit there.
 */
export async function insertFirstAdministrator(tx: Transactor, user: Omit<UserInput, 'isAdmin'>): Promise<number | 'exists'> {
  if (await hasUsers(tx)) return 'exists'
  if (!(await insertSetting(tx, 'first-administrator', { name: user.name, at: user.at }))) return 'exists'
  return await insertUser(tx, { ...user, isAdmin: true })
}

/** What of an account can be changed. */
export interface UserChanges {
  readonly name?: string | undefined
  readonly displayName?: string | undefined
  readonly email?: string | undefined
  readonly isAdmin?: boolean | undefined
  readonly isDisabled?: boolean | undefined
  readonly passwordHash?: string | undefined
}

/** Changes what is said and raises the version. False when there is no such account. */
export async function updateUserRow(
  tx: Transactor,
  change: { readonly id: number; readonly set: UserChanges; readonly at: number },
): Promise<boolean> {
  const { name, displayName, email, isAdmin, isDisabled, passwordHash } = change.set
  const { numUpdatedRows } = await tx
    .updateTable('users')
    .set({
      version: sql<number>`version + 1`,
      updated_at: change.at,
      ...(name === undefined ? {} : { name }),
      ...(displayName === undefined ? {} : { display_name: displayName }),
      ...(email === undefined ? {} : { email }),
      ...(isAdmin === undefined ? {} : { is_admin: isAdmin ? 1 : 0 }),
      ...(isDisabled === undefined ? {} : { is_disabled: isDisabled ? 1 : 0 }),
      ...(passwordHash === undefined ? {} : { password_hash: passwordHash }),
    })
    .where('id', '=', change.id)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Removes the account and, with it, its memberships, grants, identities, tokens and sessions. */
export async function deleteUserRow(tx: Transactor, id: number): Promise<void> {
  await tx.deleteFrom('users').where('id', '=', id).execute()
}

/** Ends all that was signed in by the account: sessions and refresh tokens. Personal tokens, which their owner made on purpose, stay. */
export async function endSignIns(tx: Transactor, userId: number): Promise<void> {
  await tx.deleteFrom('sessions').where('user_id', '=', userId).execute()
  await endRefreshTokens(tx, userId)
}

/** Ends what clients keep in place of the account's password. */
export async function endRefreshTokens(tx: Transactor, userId: number): Promise<void> {
  await tx.deleteFrom('tokens').where('user_id', '=', userId).where('kind', '=', 'refresh').execute()
}

/** Ends all personal tokens of an account. */
export async function endPersonalTokens(tx: Transactor, userId: number): Promise<void> {
  await tx.deleteFrom('tokens').where('user_id', '=', userId).where('kind', '=', 'personal').execute()
}

/** False when there is no such account. */
export async function setPasswordHash(
  tx: Transactor,
  change: { readonly name: string; readonly passwordHash: string; readonly at: number },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('users')
    .set({ password_hash: change.passwordHash, updated_at: change.at, version: sql<number>`version + 1` })
    .where('name', '=', change.name)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
