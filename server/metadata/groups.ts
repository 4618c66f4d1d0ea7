/** Queries on `groups`. Groups of a provider are made as it names them (onboarding); here they are read, described and deleted like local ones. */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import { startsWith } from './users.ts'

/** A group; `provider` is the name of the provider that says who is in it, null for a local one. */
export interface GroupRecord {
  readonly id: number
  readonly name: string
  readonly description: string
  readonly provider: string | null
  readonly externalName: string | null
  readonly version: number
  readonly createdAt: number
  readonly updatedAt: number
}

function selectGroups(reader: Reader | Transactor) {
  return reader
    .selectFrom('groups')
    .leftJoin('providers', 'providers.id', 'groups.provider_id')
    .select(['groups.id', 'groups.name', 'groups.description', 'groups.external_name', 'groups.version'])
    .select(['groups.created_at', 'groups.updated_at', 'providers.name as provider'])
}

type GroupRow = Awaited<ReturnType<ReturnType<typeof selectGroups>['executeTakeFirstOrThrow']>>

function recordOf(row: GroupRow): GroupRecord {
  const { id, name, description, provider, version } = row
  return { id, name, description, provider, externalName: row.external_name, version, createdAt: row.created_at, updatedAt: row.updated_at }
}

/** Undefined when there is no group of that id. */
export async function groupRecord(reader: Reader | Transactor, id: number): Promise<GroupRecord | undefined> {
  const row = await selectGroups(reader).where('groups.id', '=', id).executeTakeFirst()
  return row && recordOf(row)
}

/** By its exact name. */
export async function groupIdByName(reader: Reader | Transactor, name: string): Promise<number | undefined> {
  return (await reader.selectFrom('groups').select('id').where('name', '=', name).executeTakeFirst())?.id
}

/** Whose names differ from this one in the case of ASCII letters at most; two of them at most. */
export async function groupIdsInAnyCase(reader: Reader | Transactor, name: string): Promise<readonly number[]> {
  const rows = await reader
    .selectFrom('groups')
    .select('id')
    .where(sql`lower(name)`, '=', sql`lower(${name})`)
    .limit(2)
    .execute()
  return rows.map(({ id }) => id)
}

/** What a group may be called. */
export interface GroupCalled {
  /** Its name here, in any case of ASCII letters, with its provider in parentheses behind it or without. */
  readonly name: string
  /** Or what its provider calls it. */
  readonly externalNames: readonly string[]
  /** Or how that begins. */
  readonly externalStart: string | undefined
  /** Only of this one; `local`: kept here. */
  readonly provider?: string | undefined
}

/** More than people could choose from. */
const calledMax = 100

/** Groups that may be meant by a name, the oldest first. */
export async function groupsCalled(
  reader: Reader | Transactor,
  { name, externalNames, externalStart, provider }: GroupCalled,
): Promise<readonly GroupRecord[]> {
  let query = selectGroups(reader).where((eb) =>
    eb.or([
      eb(sql`lower(groups.name)`, '=', sql`lower(${name})`),
      eb(sql`lower(groups.name)`, '=', sql`lower(${name} || ' (' || providers.name || ')')`),
      eb('groups.external_name', 'in', externalNames),
      ...(externalStart === undefined ? [] : [startsWith('groups.external_name', externalStart)]),
    ]),
  )
  if (provider === 'local') query = query.where('groups.provider_id', 'is', null)
  else if (provider !== undefined) query = query.where('providers.name', '=', provider)
  return (await query.orderBy('groups.id').limit(calledMax).execute()).map(recordOf)
}

/** What a list of groups may be narrowed by; `provider` is a name, `local` for groups without one. */
export interface GroupFilter {
  readonly namePrefix?: string | undefined
  /** With `namePrefix`: also what providers call so, whatever it is called here. */
  readonly externalPrefix?: string | undefined
  readonly provider?: string | undefined
}

export type GroupSort = 'name' | 'createdAt'

/** A page of groups. */
export async function listGroupRecords(reader: Reader, filter: GroupFilter, page: PageRequest<GroupSort>): Promise<Page<GroupRecord>> {
  let query = selectGroups(reader)
  const { namePrefix, externalPrefix } = filter
  if (namePrefix !== undefined)
    query = query.where((eb) =>
      eb.or([
        startsWith('groups.name', namePrefix),
        ...(externalPrefix === undefined ? [] : [startsWith('groups.external_name', externalPrefix)]),
      ]),
    )
  if (filter.provider === 'local') query = query.where('groups.provider_id', 'is', null)
  else if (filter.provider !== undefined) {
    const { provider } = filter
    query = query.where('groups.provider_id', 'in', (from) => from.selectFrom('providers').select('id').where('name', '=', provider))
  }
  const column = page.column === 'name' ? 'groups.name' : 'groups.created_at'
  const rows = await paged(query, page, { column, id: 'groups.id' }).execute()
  return pageFrom(rows.map(recordOf), page, (group) => (page.column === 'name' ? group.name : group.createdAt))
}

/** Adds a local group; `'exists'` when the name is taken, by a provider's group too. */
export async function insertGroup(
  tx: Transactor,
  group: { readonly name: string; readonly description: string; readonly at: number },
): Promise<number | 'exists'> {
  const { name, description, at } = group
  const row = await tx
    .insertInto('groups')
    .values({ name, description, provider_id: null, external_name: null, version: 1, created_at: at, updated_at: at })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id ?? 'exists'
}

/** Changes what is said and raises the version. */
export async function updateGroupRow(
  tx: Transactor,
  change: { readonly id: number; readonly name?: string | undefined; readonly description?: string | undefined; readonly at: number },
): Promise<void> {
  const { id, name, description, at } = change
  await tx
    .updateTable('groups')
    .set({
      version: sql<number>`version + 1`,
      updated_at: at,
      ...(name === undefined ? {} : { name }),
      ...(description === undefined ? {} : { description }),
    })
    .where('id', '=', id)
    .execute()
}

/** Removes the group with its memberships and grants. */
export async function deleteGroupRow(tx: Transactor, id: number): Promise<void> {
  await tx.deleteFrom('groups').where('id', '=', id).execute()
}
