/**
 * Accounts of people: making, reading, changing and removing them.
 *
 * The problem: an account can be everything, so each change must be refused that would lock everybody out or lift somebody above the one who makes it. The
 * way: verbs check form and the caller before, and what depends on rows (names, the last administrator) in the transaction that writes, with the event.
 * Passwords are in user-passwords.ts. To add a verb: a transaction here with its event, a route in api/routes/users.ts.
 */
import { recordEvent } from '#events/record.ts'
import type { Happening, Who } from '#events/event.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { groupsOfMember } from '#metadata/group-members.ts'
import type { GrantRecord } from '#metadata/grants.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { listProviderRecords } from '#metadata/providers.ts'
import {
  deleteUserRow,
  endSignIns,
  hasOtherAdministrator,
  insertUser,
  isUserNameTaken,
  listUserRecords,
  providersOfUsers,
  updateUserRow,
  userRecord,
  type UserChanges,
  type UserFilter,
  type UserRecord,
  type UserSort,
} from '#metadata/users.ts'
import { renameMaker } from '#metadata/robot-makers.ts'
import { RegistryError } from '#oci/errors.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import { parseAccountName } from './account-name.ts'
import { isFullAdministrator, requireAdministrator, requireVersion, type Acting, type Unproved } from './acting.ts'
import type { Directory } from './directory.ts'
import { requireProvedUse } from './given-rights.ts'
import { requireGoodPassword } from './password-rules.ts'
import { hashPassword } from './password.ts'

/** An account with the names of the providers that vouch for it. */
export interface User extends UserRecord {
  readonly providers: readonly string[]
}

const nameMax = 128

/** Throws REQUEST_INVALID for what no account made here may be called. Names that providers give may have letters of other scripts. */
function requireUserName(name: string): void {
  if (name.length <= nameMax && /^[A-Za-z0-9._@+-]+$/.test(name) && parseAccountName(name) !== undefined) return
  const message =
    'a name has 1 to 128 letters, digits, . _ - @ and +, begins and ends with a letter or digit, and does not begin with robot-'
  throw new RegistryError('REQUEST_INVALID', [{ path: 'body/name', message }], { message })
}

/** What an account is made from; without a password an identity provider, or a reset, must open it. */
export interface NewUser {
  readonly name: string
  readonly displayName: string
  readonly email: string
  readonly isAdministrator: boolean
  readonly password?: string | undefined
}

interface InsertInput {
  readonly user: Omit<NewUser, 'password'> & { readonly passwordHash: string }
  readonly unproved: Unproved | undefined
  readonly at: number
  readonly who: Who
}

async function insert(tx: Transactor, { user, unproved, at, who }: InsertInput): Promise<number> {
  const { name, displayName, email, isAdministrator: isAdmin, passwordHash } = user
  await requireProvedUse(tx, unproved, [{ kind: 'signed-in' }])
  await requireFreeName(tx, name)
  const id = await insertUser(tx, { name, displayName, email, isAdmin, passwordHash, at })
  if (id === 'exists') throw nameTaken(name)
  await recordEvent(tx, { action: 'user.created', target: `user:${name}`, detail: { isAdministrator: isAdmin }, at, ...who })
  return id
}

const insertAccount = accessTransaction(import.meta.url, 'users/insert', insert)

/**
 * Makes an account. Throws REQUEST_INVALID for name and password, CONFLICT for a name that is taken, DENIED for lifting somebody above oneself,
 * ELEVATION_REQUIRED when every account has what takes a proof.
 */
export async function createUser(
  directory: Pick<Directory, 'metadata' | 'ports'>,
  input: NewUser,
  { who, rights, unproved }: Acting,
): Promise<User> {
  const { metadata, ports } = directory
  const { password, ...user } = input
  requireUserName(input.name)
  if (input.isAdministrator) requireAdministrator(rights, 'make administrators')
  if (password !== undefined) requireGoodPassword(password, input)
  const passwordHash = password === undefined ? '' : await hashPassword(password, ports.random)
  const id = await metadata.write(insertAccount, { user: { ...user, passwordHash }, unproved, at: ports.clock.now(), who })
  return await readUser(directory, id)
}

/** Throws RESOURCE_UNKNOWN when there is no such account. */
export async function readUser({ metadata }: Pick<Directory, 'metadata'>, id: number): Promise<User> {
  const record = await userRecord(metadata.reader, id)
  if (record === undefined) throw resourceUnknown('user', id)
  return { ...record, providers: (await providersOfUsers(metadata.reader, [id])).get(id) ?? [] }
}

/** A page of accounts. */
export async function listUsers(
  { metadata }: Pick<Directory, 'metadata'>,
  filter: UserFilter,
  page: PageRequest<UserSort>,
): Promise<Page<User>> {
  const { items, next } = await listUserRecords(metadata.reader, filter, page)
  const ids = items.map(({ id }) => id)
  const providers = await providersOfUsers(metadata.reader, ids)
  return { items: items.map((item) => ({ ...item, providers: providers.get(item.id) ?? [] })), next }
}

/** What a caller may change; administrators only: `isAdministrator`, and anything about an administrator. */
export interface UserUpdate {
  readonly id: number
  readonly expectedVersion: number | undefined
  readonly set: Omit<UserChanges, 'passwordHash'>
}

interface ChangeInput extends UserUpdate {
  readonly isByAdministrator: boolean
  readonly unproved: Unproved | undefined
  readonly at: number
  readonly who: Who
}

async function change(tx: Transactor, input: ChangeInput): Promise<void> {
  const { id, set, at, who } = input
  const before = await requireUser(tx, id, input.expectedVersion)
  await requireAllowed(tx, before, input)
  await requireProvedUse(tx, input.unproved, await comesToUse(tx, before, set))
  if (set.name !== undefined && set.name !== before.name) await requireFreeName(tx, set.name, id)
  await updateUserRow(tx, { id, set, at })
  if (set.name !== undefined && set.name !== before.name) await renameMaker(tx, { userId: id, from: before.name, to: set.name })
  if (set.isDisabled === true && !before.isDisabled) await endSignIns(tx, id)
  for (const happening of updatesOf(before, set)) await recordEvent(tx, { ...happening, at, ...who })
}

/** Nobody but administrators touches an administrator or makes one, and nobody takes the last one away. */
async function requireAllowed(tx: Transactor, before: UserRecord, { set, isByAdministrator }: ChangeInput): Promise<void> {
  const lifts = set.isAdmin !== undefined && set.isAdmin !== before.isAdmin
  if ((before.isAdmin || lifts) && !isByAdministrator) throw administratorsOnly()
  const ends = set.isAdmin === false || set.isDisabled === true
  if (ends) await requireOtherAdministrator(tx, before)
}

/** By whose rights somebody comes to act by the change: another name may be another person at a provider, and so may an account that opens again. */
async function comesToUse(tx: Transactor, before: UserRecord, set: UserUpdate['set']): Promise<readonly GrantRecord['subject'][]> {
  const { id } = before
  const opens = set.isDisabled === false && before.isDisabled
  const isRenamed = set.name !== undefined && set.name !== before.name
  if (!opens && !isRenamed) return []
  const groups = (await groupsOfMember(tx, id)).map((group) => ({ kind: 'group', id: group }) as const)
  return [{ kind: 'user', id }, ...groups, ...(opens ? [{ kind: 'signed-in' } as const] : [])]
}

async function requireOtherAdministrator(tx: Transactor, { id, isAdmin, isDisabled }: UserRecord): Promise<void> {
  if (isAdmin && !isDisabled && !(await hasOtherAdministrator(tx, id))) throw lastAdministrator()
}

/** What is told of a change: disabling apart, for that is what people look for. Of the rest only which members changed, and the harmless values. */
function updatesOf(before: UserRecord, set: UserUpdate['set']): readonly Happening[] {
  const target = `user:${before.name}`
  const changed = Object.entries(set)
    .filter(([key, value]) => value !== undefined && value !== before[key as keyof UserRecord])
    .map(([key]) => key)
  const others = changed.filter((key) => key !== 'isDisabled')
  const detail = {
    changed: others,
    ...(others.includes('isAdmin') ? { isAdministrator: set.isAdmin } : {}),
    ...(others.includes('name') ? { name: set.name } : {}),
  }
  return [
    ...(others.length > 0 ? [{ action: 'user.updated', target, detail } as const] : []),
    ...(changed.includes('isDisabled') ? [{ action: set.isDisabled === true ? 'user.disabled' : 'user.enabled', target } as const] : []),
  ]
}

const changeAccount = accessTransaction(import.meta.url, 'users/change', change)

/** Changes an account. A disabled one loses its sessions here and everything else as soon as rights are looked at. */
export async function updateUser(directory: Directory, update: UserUpdate, { who, rights, unproved }: Acting): Promise<User> {
  const { metadata, ports } = directory
  if (update.set.name !== undefined) requireUserName(update.set.name)
  const isByAdministrator = isFullAdministrator(rights)
  await metadata.write(changeAccount, { ...update, isByAdministrator, unproved, at: ports.clock.now(), who })
  return await readUser(directory, update.id)
}

/** What people change of themselves. Throws CONFLICT where an identity provider says it, which would say it again at the next login. */
export async function updateOwnAccount(
  directory: Directory,
  update: Omit<UserUpdate, 'set'> & { readonly set: Pick<UserChanges, 'displayName' | 'email'> },
  acting: Acting,
): Promise<User> {
  const { hasPassword, providers: all } = await readUser(directory, update.id)
  const { reader } = directory.metadata
  // A file has names and hashes, and nothing that would come again.
  const files = new Set((await listProviderRecords(reader)).flatMap(({ kind, name }) => (kind === 'htpasswd' ? [name] : [])))
  const providers = all.filter((name) => !files.has(name))
  if (!hasPassword && providers.length > 0) {
    const message = `name and e-mail address of this account come from ${providers.join(', ')}: change them there, then sign in again`
    throw new RegistryError('CONFLICT', undefined, { message })
  }
  return await updateUser(directory, update, acting)
}

interface RemoveInput {
  readonly id: number
  readonly expectedVersion: number | undefined
  readonly isByAdministrator: boolean
  readonly at: number
  readonly who: Who
}

async function remove(tx: Transactor, { id, expectedVersion, isByAdministrator, at, who }: RemoveInput): Promise<void> {
  const before = await requireUser(tx, id, expectedVersion)
  if (before.isAdmin && !isByAdministrator) throw administratorsOnly()
  await requireOtherAdministrator(tx, before)
  await deleteUserRow(tx, id)
  await recordEvent(tx, { action: 'user.deleted', target: `user:${before.name}`, at, ...who })
}

const removeAccount = accessTransaction(import.meta.url, 'users/remove', remove)

/** Removes an account with all that is its own. The log keeps its name: the chain over it is sealed, and it says what was done, not what the person is. */
export async function deleteUser(
  { metadata, ports }: Directory,
  { id, expectedVersion }: Pick<UserUpdate, 'id' | 'expectedVersion'>,
  { who, rights }: Acting,
): Promise<void> {
  await metadata.write(removeAccount, { id, expectedVersion, isByAdministrator: isFullAdministrator(rights), at: ports.clock.now(), who })
}

async function requireUser(tx: Transactor, id: number, expectedVersion: number | undefined): Promise<UserRecord> {
  const record = await userRecord(tx, id)
  if (record === undefined) throw resourceUnknown('user', id)
  requireVersion(record, expectedVersion)
  return record
}

async function requireFreeName(tx: Transactor, name: string, exceptId?: number): Promise<void> {
  if (await isUserNameTaken(tx, name, exceptId)) throw nameTaken(name)
}

function nameTaken(name: string): RegistryError {
  return new RegistryError(
    'CONFLICT',
    { name },
    { message: 'an account of this name exists, or of one that differs by upper and lower case only' },
  )
}

function administratorsOnly(): RegistryError {
  return new RegistryError('DENIED', undefined, { message: 'only an administrator may make, change or remove administrators' })
}

function lastAdministrator(): RegistryError {
  return new RegistryError('CONFLICT', undefined, {
    message: 'this is the last administrator that is not disabled: make another one first',
  })
}
