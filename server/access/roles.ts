/**
 * Roles: the built-in ones, which nobody changes, and those that people make.
 *
 * A role gives nothing until it is granted, so making one needs no right but to make roles. Changing one changes what all who hold it may do: what is added
 * must be held, on everything, by who adds it. To add a built-in role, see api/permissions.ts.
 */
import { builtInRoles, levelOf, parsePermission, type Permission } from '#api/permissions.ts'
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { countGrantsOfRole } from '#metadata/grants.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import {
  countRoles,
  deleteRoleRow,
  insertRole,
  listRoleRecords,
  roleRecord,
  updateRoleRow,
  type RoleChanges,
  type RoleRecord,
} from '#metadata/roles.ts'
import { RegistryError } from '#oci/errors.ts'
import { requireProved, requireVersion, type Acting } from './acting.ts'
import { firstNotHeld } from './coverage.ts'
import type { Directory } from './directory.ts'

/** A role as people see it. Built-in ones have version 0 and no instants. */
export interface Role {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly permissions: readonly Permission[]
  readonly isBuiltIn: boolean
  readonly version: number
  readonly createdAt: number | null
  readonly updatedAt: number | null
}

/** All are read at once wherever roles are looked at. */
const rolesMax = 500
const nameGrammar = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/

const builtIn: ReadonlyMap<string, Role> = new Map(
  builtInRoles.map((role) => [role.name, { ...role, isBuiltIn: true, version: 0, createdAt: null, updatedAt: null }]),
)

function fromRecord({ id: _id, permissions, ...role }: RoleRecord): Role {
  // A permission that this program does not know (another version wrote it) gives nothing.
  return { ...role, isBuiltIn: false, permissions: permissions.map(parsePermission).filter((permission) => permission !== undefined) }
}

/** The role of that name, built-in or made; undefined when there is none. */
export async function findRole(reader: Reader | Transactor, name: string): Promise<Role | undefined> {
  const known = builtIn.get(name)
  if (known !== undefined) return known
  const record = await roleRecord(reader, name)
  return record && fromRecord(record)
}

/** Whether the role gives something that holds on everything or not at all. */
export function hasSystemPermission(permissions: readonly Permission[]): boolean {
  return permissions.some((permission) => levelOf(permission) === 'system')
}

const givesAway: ReadonlySet<Permission> = new Set<Permission>([
  ...(['grant:create', 'grant:update', 'grant:delete', 'robot:create', 'robot:update', 'robot:delete'] as const),
  ...(['project:create', 'project:update', 'project:delete', 'audit:list', 'audit:export'] as const),
])

/** Whether the role is too much for everyone, whoever shows no credential included: it is about the system, or administers projects, or reads logs. */
export function isTooMuchForEveryone(permissions: readonly Permission[]): boolean {
  return hasSystemPermission(permissions) || permissions.some((permission) => givesAway.has(permission))
}

/** The built-in ones, widest first, then the others by name. */
export async function listRoles({ metadata }: Pick<Directory, 'metadata'>): Promise<readonly Role[]> {
  return [...builtIn.values(), ...(await listRoleRecords(metadata.reader)).map(fromRecord)]
}

/** Throws RESOURCE_UNKNOWN when there is no such role. */
export async function readRole({ metadata }: Pick<Directory, 'metadata'>, name: string): Promise<Role> {
  const role = await findRole(metadata.reader, name)
  if (role === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  return role
}

/** What a role is made from. */
export interface NewRole {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly permissions: readonly Permission[]
}

const insertNew = accessTransaction(
  import.meta.url,
  'roles/insert',
  async (tx: Transactor, { role, at, who }: { readonly role: NewRole; readonly at: number; readonly who: Who }) => {
    if ((await countRoles(tx)) >= rolesMax)
      throw new RegistryError('CONFLICT', undefined, { message: `there may be ${rolesMax} roles at most` })
    if ((await insertRole(tx, { ...role, at })) === 'exists') throw nameTaken(role.name)
    await recordEvent(tx, { action: 'role.created', target: `role:${role.name}`, detail: { permissions: role.permissions }, at, ...who })
  },
)

/** Makes a role. Throws REQUEST_INVALID for the name, CONFLICT when it is taken, ELEVATION_REQUIRED when it holds what takes a proof. */
export async function createRole(directory: Directory, role: NewRole, { who, unproved }: Pick<Acting, 'who' | 'unproved'>): Promise<Role> {
  const { metadata, ports } = directory
  if (builtIn.has(role.name)) throw nameTaken(role.name)
  if (role.name.length > 64 || !nameGrammar.test(role.name)) {
    const message = 'a name of a role has at most 64 lower-case letters and digits, with . _ - between them'
    throw new RegistryError('REQUEST_INVALID', [{ path: 'body/name', message }], { message })
  }
  requireProved(unproved, role.permissions)
  await metadata.write(insertNew, { role: { ...role, permissions: distinct(role.permissions) }, at: ports.clock.now(), who })
  return await readRole(directory, role.name)
}

/** What is to change of a role. */
export interface RoleUpdate {
  readonly name: string
  readonly expectedVersion: number | undefined
  readonly set: { readonly [Key in keyof RoleChanges]: Key extends 'permissions' ? readonly Permission[] | undefined : RoleChanges[Key] }
}

interface ChangeInput extends RoleUpdate {
  /** What the caller may add; undefined: anything. */
  readonly mayAdd: readonly Permission[] | undefined
  readonly unproved: Acting['unproved']
  readonly at: number
  readonly who: Who
}

async function change(tx: Transactor, { name, expectedVersion, set, mayAdd, unproved, at, who }: ChangeInput): Promise<void> {
  const before = await requireRole(tx, name, expectedVersion)
  const added = (set.permissions ?? []).filter((permission) => !before.permissions.includes(permission))
  const beyond = mayAdd === undefined ? undefined : added.find((permission) => !mayAdd.includes(permission))
  if (beyond !== undefined) throw notHeld(beyond)
  requireProved(unproved, added)
  if (hasSystemPermission(added)) {
    const { narrow } = await countGrantsOfRole(tx, name)
    const message = `${given(narrow)} this role on less than everything, where permissions about the system have no meaning: remove them first`
    if (narrow > 0) throw new RegistryError('CONFLICT', { grants: narrow }, { message })
  }
  if (isTooMuchForEveryone(added)) {
    const { toEveryone } = await countGrantsOfRole(tx, name)
    const message = `${given(toEveryone)} this role to everyone, whoever shows no credential included: remove them first`
    if (toEveryone > 0) throw new RegistryError('CONFLICT', { grants: toEveryone }, { message })
  }
  await updateRoleRow(tx, { name, set, at })
  const changed = Object.entries(set).flatMap(([key, value]) => (value === undefined ? [] : [key]))
  const removed = set.permissions === undefined ? [] : before.permissions.filter((permission) => !set.permissions?.includes(permission))
  await recordEvent(tx, {
    action: 'role.updated',
    target: `role:${name}`,
    detail: { changed, added, removed },
    at,
    ...who,
  })
}

const changeRole = accessTransaction(import.meta.url, 'roles/change', change)

/** Changes a role for all who hold it. Throws CONFLICT for a built-in one, DENIED for adding what the caller does not hold on everything, ELEVATION_REQUIRED. */
export async function updateRole(directory: Directory, update: RoleUpdate, { who, rights, unproved }: Acting): Promise<Role> {
  const { metadata, ports } = directory
  refuseBuiltIn(update.name)
  const at = ports.clock.now()
  const permissions = update.set.permissions && distinct(update.set.permissions)
  const set = { ...update.set, ...(permissions === undefined ? {} : { permissions }) }
  const everywhere = { lineage: undefined, repositories: null, expiresAt: null }
  const mayAdd = permissions?.filter((permission) => firstNotHeld(rights, [permission], everywhere, at) === undefined)
  await metadata.write(changeRole, { ...update, set, mayAdd, unproved, at, who })
  return await readRole(directory, update.name)
}

const removeRole = accessTransaction(
  import.meta.url,
  'roles/remove',
  async (
    tx: Transactor,
    input: { readonly name: string; readonly expectedVersion: number | undefined; readonly at: number; readonly who: Who },
  ) => {
    const { name, expectedVersion, at, who } = input
    await requireRole(tx, name, expectedVersion)
    const { all } = await countGrantsOfRole(tx, name)
    if (all > 0)
      throw new RegistryError(
        'CONFLICT',
        { grants: all },
        { message: `${given(all)} this role: remove ${all === 1 ? 'it' : 'them'} first` },
      )
    await deleteRoleRow(tx, name)
    await recordEvent(tx, { action: 'role.deleted', target: `role:${name}`, at, ...who })
  },
)

/** Removes a role that nobody holds. Throws CONFLICT for a built-in one and for one that is granted. */
export async function deleteRole(
  { metadata, ports }: Directory,
  { name, expectedVersion }: Pick<RoleUpdate, 'name' | 'expectedVersion'>,
  { who }: Pick<Acting, 'who'>,
): Promise<void> {
  refuseBuiltIn(name)
  await metadata.write(removeRole, { name, expectedVersion, at: ports.clock.now(), who })
}

async function requireRole(tx: Transactor, name: string, expectedVersion: number | undefined): Promise<Role> {
  const record = await roleRecord(tx, name)
  if (record === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  requireVersion(record, expectedVersion)
  return fromRecord(record)
}

/** Refuses to give away what is not one's own. */
export function notHeld(permission: Permission): RegistryError {
  const message = `you cannot give ${permission}, which you do not hold there yourself for as long`
  return new RegistryError('DENIED', { permission }, { message })
}

function refuseBuiltIn(name: string): void {
  if (builtIn.has(name))
    throw new RegistryError('CONFLICT', undefined, { message: 'built-in roles cannot be changed: make a role of your own' })
}

function nameTaken(name: string): RegistryError {
  return new RegistryError('CONFLICT', { name }, { message: 'a role of this name exists' })
}

function distinct(permissions: readonly Permission[]): readonly Permission[] {
  return [...new Set(permissions)]
}

function given(count: number): string {
  return count === 1 ? '1 grant gives' : `${count} grants give`
}
