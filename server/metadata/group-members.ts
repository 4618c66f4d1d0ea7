/** Queries on `group_members`: who is in a group by hand. Rows with a provider belong to onboarding, which replaces them as a whole. */
import type { Reader, Transactor } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import { startsWith } from './users.ts'

/** A member; `id` is the membership's, by which pages go on. */
export interface MemberRecord {
  readonly id: number
  readonly userId: number
  readonly name: string
  readonly displayName: string
  readonly isDisabled: boolean
  /** When they became one. */
  readonly createdAt: number
}

/** A page of a group's members, in the order in which they came. */
export async function listMemberRecords(
  reader: Reader,
  filter: { readonly groupId: number; readonly namePrefix?: string | undefined },
  page: PageRequest<'createdAt'>,
): Promise<Page<MemberRecord>> {
  let query = reader
    .selectFrom('group_members')
    .innerJoin('users', 'users.id', 'group_members.user_id')
    .where('group_members.group_id', '=', filter.groupId)
    .select(['group_members.id', 'group_members.user_id', 'group_members.created_at'])
    .select(['users.name', 'users.display_name', 'users.is_disabled'])
  if (filter.namePrefix !== undefined) query = query.where(startsWith('users.name', filter.namePrefix))
  const rows = await paged(query, page, { column: 'group_members.created_at', id: 'group_members.id' }).execute()
  const members = rows.map((row) => ({
    id: row.id,
    userId: row.user_id,
    name: row.name,
    displayName: row.display_name,
    isDisabled: row.is_disabled === 1,
    createdAt: row.created_at,
  }))
  return pageFrom(members, page, ({ createdAt }) => createdAt)
}

/** Adds a member by hand; `'exists'` when they are one. */
export async function insertMember(
  tx: Transactor,
  member: { readonly groupId: number; readonly userId: number; readonly at: number },
): Promise<'added' | 'exists'> {
  const row = await tx
    .insertInto('group_members')
    .values({ group_id: member.groupId, user_id: member.userId, provider_id: null, created_at: member.at })
    .onConflict((conflict) => conflict.columns(['group_id', 'user_id']).doNothing())
    .returning('id')
    .executeTakeFirst()
  return row === undefined ? 'exists' : 'added'
}

/** False when they were no member. */
export async function deleteMember(tx: Transactor, member: { readonly groupId: number; readonly userId: number }): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('group_members')
    .where('group_id', '=', member.groupId)
    .where('user_id', '=', member.userId)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** Ids of the groups that somebody is in, by hand or by a provider. */
export async function groupsOfMember(reader: Reader | Transactor, userId: number): Promise<readonly number[]> {
  const rows = await reader.selectFrom('group_members').select('group_id').where('user_id', '=', userId).distinct().execute()
  return rows.map((row) => row.group_id)
}
