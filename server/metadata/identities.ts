/** Queries on `identities`, and on the groups and memberships that a provider speaks of: who a provider's subject is here. */
import { groupIdsInAnyCase } from './groups.ts'
import type { Reader, Transactor } from './metadata.ts'

/** What a provider last said of somebody, and what of it took effect. Members that are unknown to this program are kept out. */
export interface IdentityAttributes {
  readonly name: string
  readonly displayName: string
  readonly email: string
  /** The account's administrator flag was set because this provider said so: it goes when the provider says so no more. */
  readonly gaveAdministrator?: boolean
  /** JSON: whatever else the provider wants to remember, such as a DN. */
  readonly other?: Readonly<Record<string, unknown>>
}

/** An account, as one of its identities sees it. */
export interface LinkedIdentity {
  readonly id: number
  readonly userId: number
  readonly providerId: number
  readonly issuer: string
  readonly subject: string
  readonly attributes: IdentityAttributes
  /** Milliseconds since the epoch. */
  readonly refreshedAt: number
  readonly createdAt: number
  readonly account: {
    readonly name: string
    readonly displayName: string
    readonly email: string
    readonly isAdmin: boolean
    readonly isDisabled: boolean
    readonly passwordHash: string
  }
}

/** By what a provider says of itself and of the person: never by name or e-mail. */
export interface IdentityKey {
  readonly providerId: number
  readonly issuer: string
  readonly subject: string
}

function select(reader: Reader | Transactor) {
  return reader
    .selectFrom('identities')
    .innerJoin('users', 'users.id', 'identities.user_id')
    .select([
      'identities.id',
      'identities.user_id',
      'identities.provider_id',
      'identities.issuer',
      'identities.subject',
      'identities.attributes',
      'identities.refreshed_at',
      'identities.created_at',
      'users.name',
      'users.display_name',
      'users.email',
      'users.is_admin',
      'users.is_disabled',
      'users.password_hash',
    ])
}

type Row = Awaited<ReturnType<ReturnType<typeof select>['executeTakeFirstOrThrow']>>

function linkedIdentity(row: Row): LinkedIdentity {
  return {
    id: row.id,
    userId: row.user_id,
    providerId: row.provider_id,
    issuer: row.issuer,
    subject: row.subject,
    attributes: JSON.parse(row.attributes) as IdentityAttributes,
    refreshedAt: row.refreshed_at,
    createdAt: row.created_at,
    account: {
      name: row.name,
      displayName: row.display_name,
      email: row.email,
      isAdmin: row.is_admin === 1,
      isDisabled: row.is_disabled === 1,
      passwordHash: row.password_hash,
    },
  }
}

/** Undefined: nobody here is that subject. */
export async function findIdentity(reader: Reader | Transactor, key: IdentityKey): Promise<LinkedIdentity | undefined> {
  const row = await select(reader)
    .where('identities.provider_id', '=', key.providerId)
    .where('identities.issuer', '=', key.issuer)
    .where('identities.subject', '=', key.subject)
    .executeTakeFirst()
  return row && linkedIdentity(row)
}

/** All ways in of an account from outside, the oldest first. */
export async function identitiesOfUser(reader: Reader | Transactor, userId: number): Promise<readonly LinkedIdentity[]> {
  const rows = await select(reader).where('identities.user_id', '=', userId).orderBy('identities.id').execute()
  return rows.map((row) => linkedIdentity(row))
}

/** What a new identity begins with. `at` is in milliseconds. */
export interface IdentityInput extends IdentityKey {
  readonly userId: number
  readonly attributes: IdentityAttributes
  readonly at: number
}

/** `'exists'` when the subject is linked already, to whomever. */
export async function insertIdentity(tx: Transactor, input: IdentityInput): Promise<number | 'exists'> {
  const row = await tx
    .insertInto('identities')
    .values({
      user_id: input.userId,
      provider_id: input.providerId,
      issuer: input.issuer,
      subject: input.subject,
      attributes: JSON.stringify(input.attributes),
      refreshed_at: input.at,
      created_at: input.at,
    })
    .onConflict((conflict) => conflict.columns(['provider_id', 'issuer', 'subject']).doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id ?? 'exists'
}

/** Notes when the provider was asked, and what it said if that is given. */
export async function refreshIdentity(
  tx: Transactor,
  change: { readonly id: number; readonly at: number; readonly attributes?: IdentityAttributes | undefined },
): Promise<void> {
  await tx
    .updateTable('identities')
    .set({ refreshed_at: change.at, ...(change.attributes === undefined ? {} : { attributes: JSON.stringify(change.attributes) }) })
    .where('id', '=', change.id)
    .execute()
}

/** False when the account has no such identity. */
export async function deleteIdentity(tx: Transactor, identity: { readonly id: number; readonly userId: number }): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('identities')
    .where('id', '=', identity.id)
    .where('user_id', '=', identity.userId)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** Adds an account that a provider vouched for, without a password of its own; `'exists'` when the name is taken. */
export async function insertVouchedUser(
  tx: Transactor,
  user: { readonly name: string; readonly displayName: string; readonly email: string; readonly isAdmin: boolean; readonly at: number },
): Promise<number | 'exists'> {
  const row = await tx
    .insertInto('users')
    .values({
      name: user.name,
      password_hash: '',
      is_admin: user.isAdmin ? 1 : 0,
      display_name: user.displayName,
      email: user.email,
      is_disabled: 0,
      version: 1,
      // Accounts are made as their people sign in.
      last_login_at: user.at,
      created_at: user.at,
      updated_at: user.at,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id ?? 'exists'
}

/** Sets what a provider says of an account. */
export async function updateVouchedUser(
  tx: Transactor,
  change: {
    readonly id: number
    readonly displayName: string
    readonly email: string
    readonly isAdmin: boolean
    readonly at: number
  },
): Promise<void> {
  await tx
    .updateTable('users')
    .set((expression) => ({
      display_name: change.displayName,
      email: change.email,
      is_admin: change.isAdmin ? 1 : 0,
      version: expression('version', '+', 1),
      updated_at: change.at,
    }))
    .where('id', '=', change.id)
    .execute()
}

/** A group of a provider that an account is in; `isVouched`: because the provider said so, not by hand. */
export interface VouchedGroup {
  readonly externalName: string
  readonly isVouched: boolean
}

/** The provider's groups that the account is in. */
export async function vouchedGroups(
  reader: Reader | Transactor,
  member: { readonly userId: number; readonly providerId: number },
): Promise<readonly VouchedGroup[]> {
  const rows = await reader
    .selectFrom('group_members')
    .innerJoin('groups', 'groups.id', 'group_members.group_id')
    .select(['groups.external_name', 'group_members.provider_id'])
    .where('group_members.user_id', '=', member.userId)
    .where('groups.provider_id', '=', member.providerId)
    .execute()
  return rows.flatMap(({ external_name: externalName, provider_id: provider }) =>
    externalName === null ? [] : [{ externalName, isVouched: provider === member.providerId }],
  )
}

/** The provider's group of that external name, made when it is missing under the first of `names` that is free. */
export async function ensureVouchedGroup(
  tx: Transactor,
  group: { readonly providerId: number; readonly externalName: string; readonly names: readonly string[]; readonly at: number },
): Promise<{ readonly id: number; readonly createdAs: string | undefined }> {
  const known = await tx
    .selectFrom('groups')
    .select('id')
    .where('provider_id', '=', group.providerId)
    .where('external_name', '=', group.externalName)
    .executeTakeFirst()
  if (known !== undefined) return { id: known.id, createdAs: undefined }
  for (const name of group.names) {
    // Two names that differ in case alone would be taken for one another.
    if ((await groupIdsInAnyCase(tx, name)).length > 0) continue
    const row = await tx
      .insertInto('groups')
      .values({
        name,
        provider_id: group.providerId,
        external_name: group.externalName,
        description: '',
        version: 1,
        created_at: group.at,
        updated_at: group.at,
      })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .returning('id')
      .executeTakeFirst()
    if (row !== undefined) return { id: row.id, createdAs: name }
  }
  throw new Error(`no name is free for the group ${group.externalName} of provider ${group.providerId}`)
}

/** Adds the membership that a provider speaks of; one that is there by hand stays as it is. */
export async function addVouchedMember(
  tx: Transactor,
  member: { readonly groupId: number; readonly userId: number; readonly providerId: number; readonly at: number },
): Promise<void> {
  await tx
    .insertInto('group_members')
    .values({ group_id: member.groupId, user_id: member.userId, provider_id: member.providerId, created_at: member.at })
    .onConflict((conflict) => conflict.columns(['group_id', 'user_id']).doNothing())
    .execute()
}

/** Takes the account out of every group that the provider put it into; `externalNames`: out of these alone. */
export async function removeVouchedMember(
  tx: Transactor,
  member: { readonly userId: number; readonly providerId: number; readonly externalNames?: readonly string[] | undefined },
): Promise<void> {
  const { externalNames } = member
  let query = tx.deleteFrom('group_members').where('user_id', '=', member.userId).where('provider_id', '=', member.providerId)
  if (externalNames !== undefined) {
    query = query.where('group_id', 'in', (inner) =>
      inner
        .selectFrom('groups')
        .select('id')
        .where('provider_id', '=', member.providerId)
        .where('external_name', 'in', [...externalNames]),
    )
  }
  await query.execute()
}
