/** Queries on `roles`: those that people made. The built-in ones are in api/permissions.ts. */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'

/** A role that people made. `permissions` are as stored: a name that this program does not know gives nothing. */
export interface RoleRecord {
  readonly id: number
  readonly name: string
  readonly title: string
  readonly description: string
  readonly permissions: readonly string[]
  readonly version: number
  readonly createdAt: number
  readonly updatedAt: number
}

function selectRoles(reader: Reader | Transactor) {
  return reader
    .selectFrom('roles')
    .select(['id', 'name', 'title', 'description', 'permissions', 'version', 'created_at as createdAt', 'updated_at as updatedAt'])
}

function recordOf(row: Omit<RoleRecord, 'permissions'> & { readonly permissions: string }): RoleRecord {
  return { ...row, permissions: JSON.parse(row.permissions) as readonly string[] }
}

/** All of them by name: access/roles.ts bounds how many there are. */
export async function listRoleRecords(reader: Reader | Transactor): Promise<RoleRecord[]> {
  return (await selectRoles(reader).orderBy('name').execute()).map(recordOf)
}

/** Undefined when nobody made a role of that name. */
export async function roleRecord(reader: Reader | Transactor, name: string): Promise<RoleRecord | undefined> {
  const row = await selectRoles(reader).where('name', '=', name).executeTakeFirst()
  return row && recordOf(row)
}

/** How many there are. */
export async function countRoles(tx: Transactor): Promise<number> {
  const { count } = await tx
    .selectFrom('roles')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Adds a role; `'exists'` when the name is taken. */
export async function insertRole(
  tx: Transactor,
  role: {
    readonly name: string
    readonly title: string
    readonly description: string
    readonly permissions: readonly string[]
    readonly at: number
  },
): Promise<number | 'exists'> {
  const { name, title, description, permissions, at } = role
  const row = await tx
    .insertInto('roles')
    .values({ name, title, description, permissions: JSON.stringify(permissions), version: 1, created_at: at, updated_at: at })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id ?? 'exists'
}

/** What of a role can be changed; its name cannot, for grants hold it. */
export interface RoleChanges {
  readonly title?: string | undefined
  readonly description?: string | undefined
  readonly permissions?: readonly string[] | undefined
}

/** Changes what is said and raises the version. */
export async function updateRoleRow(
  tx: Transactor,
  change: { readonly name: string; readonly set: RoleChanges; readonly at: number },
): Promise<void> {
  const { title, description, permissions } = change.set
  await tx
    .updateTable('roles')
    .set({
      version: sql<number>`version + 1`,
      updated_at: change.at,
      ...(title === undefined ? {} : { title }),
      ...(description === undefined ? {} : { description }),
      ...(permissions === undefined ? {} : { permissions: JSON.stringify(permissions) }),
    })
    .where('name', '=', change.name)
    .execute()
}

/** Removes the role; the caller has made sure that nobody holds it. */
export async function deleteRoleRow(tx: Transactor, name: string): Promise<void> {
  await tx.deleteFrom('roles').where('name', '=', name).execute()
}
