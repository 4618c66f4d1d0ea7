/**
 * Groups of people and who is in them.
 *
 * A group may have rights, so bringing somebody in gives them away: who does it must hold them. Who is in a provider's group is said by the provider alone;
 * such a group is described, granted to and deleted here, and comes back when the provider names it again.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { grantsOfSubject } from '#metadata/grants.ts'
import { deleteMember, insertMember, listMemberRecords, type MemberRecord } from '#metadata/group-members.ts'
import {
  deleteGroupRow,
  groupIdByName,
  groupRecord,
  insertGroup,
  listGroupRecords,
  updateGroupRow,
  type GroupFilter,
  type GroupRecord,
  type GroupSort,
} from '#metadata/groups.ts'
import { oneSpelling } from '#lib/visible-text.ts'
import type { Transactor } from '#metadata/metadata.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { userRecord } from '#metadata/users.ts'
import { RegistryError } from '#oci/errors.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import { requireProved, requireVersion, type Acting } from './acting.ts'
import type { Directory } from './directory.ts'
import { requireGivable, requireHeld, type Giver } from './given-rights.ts'
import { grantsPerSubjectMax } from './grants.ts'
import { isOwnGroupName } from './group-name.ts'

function requireGroupName(name: string): void {
  if (isOwnGroupName(name)) return
  const message = 'a name of a group has 1 to 255 visible characters, without a space at its ends'
  throw new RegistryError('REQUEST_INVALID', [{ path: 'body/name', message }], { message })
}

/** What a group is made from. */
export interface NewGroup {
  readonly name: string
  readonly description: string
}

const insertNew = accessTransaction(
  import.meta.url,
  'groups/insert',
  async (tx: Transactor, { group, at, who }: { readonly group: NewGroup; readonly at: number; readonly who: Who }) => {
    const id = await insertGroup(tx, { ...group, at })
    if (id === 'exists') throw nameTaken(group.name)
    await recordEvent(tx, { action: 'group.created', target: `group:${group.name}`, at, ...who })
    return id
  },
)

/** Makes a local group without members. Throws REQUEST_INVALID for the name, CONFLICT when it is taken. */
export async function createGroup(directory: Directory, wanted: NewGroup, { who }: Pick<Acting, 'who'>): Promise<GroupRecord> {
  const group = { ...wanted, name: oneSpelling(wanted.name) }
  requireGroupName(group.name)
  const id = await directory.metadata.write(insertNew, { group, at: directory.ports.clock.now(), who })
  return await readGroup(directory, id)
}

/** Throws RESOURCE_UNKNOWN when there is no such group. */
export async function readGroup({ metadata }: Pick<Directory, 'metadata'>, id: number): Promise<GroupRecord> {
  const record = await groupRecord(metadata.reader, id)
  if (record === undefined) throw resourceUnknown('group', id)
  return record
}

/** A page of groups. */
export function listGroups(
  { metadata }: Pick<Directory, 'metadata'>,
  filter: GroupFilter,
  page: PageRequest<GroupSort>,
): Promise<Page<GroupRecord>> {
  return listGroupRecords(metadata.reader, filter, page)
}

/** What is to change of a group. */
export interface GroupUpdate {
  readonly id: number
  readonly expectedVersion: number | undefined
  readonly set: { readonly name?: string | undefined; readonly description?: string | undefined }
}

const changeGroup = accessTransaction(
  import.meta.url,
  'groups/change',
  async (tx: Transactor, { id, expectedVersion, set, at, who }: GroupUpdate & { readonly at: number; readonly who: Who }) => {
    const before = await requireGroup(tx, id, expectedVersion)
    const holder = set.name === undefined ? undefined : await groupIdByName(tx, set.name)
    if (holder !== undefined && holder !== id) throw nameTaken(set.name ?? '')
    await updateGroupRow(tx, { id, ...set, at })
    const detail = { changed: Object.keys(set), ...(set.name === undefined ? {} : { name: set.name }) }
    await recordEvent(tx, { action: 'group.updated', target: `group:${before.name}`, detail, at, ...who })
  },
)

/** Renames or describes a group. */
export async function updateGroup(directory: Directory, wanted: GroupUpdate, { who }: Pick<Acting, 'who'>): Promise<GroupRecord> {
  const { name } = wanted.set
  const update = name === undefined ? wanted : { ...wanted, set: { ...wanted.set, name: oneSpelling(name) } }
  if (update.set.name !== undefined) requireGroupName(update.set.name)
  await directory.metadata.write(changeGroup, { ...update, at: directory.ports.clock.now(), who })
  return await readGroup(directory, update.id)
}

const removeGroup = accessTransaction(
  import.meta.url,
  'groups/remove',
  async (tx: Transactor, input: Omit<GroupUpdate, 'set'> & Acting & { readonly at: number }) => {
    const { id, expectedVersion, rights, unproved, at, who } = input
    const before = await requireGroup(tx, id, expectedVersion)
    await requireAllHeld(tx, { groupId: id, rights, at })
    // What its members had by it is not to be had back.
    if ((await grantsOf(tx, id)).length > 0) requireProved(unproved, ['group:delete'])
    await deleteGroupRow(tx, id)
    await recordEvent(tx, { action: 'group.deleted', target: `group:${before.name}`, at, ...who })
  },
)

/** Removes a group with its memberships and its grants. Throws DENIED when they gave more than the caller has, ELEVATION_REQUIRED when there are any. */
export async function deleteGroup(
  { metadata, ports }: Directory,
  { id, expectedVersion }: Omit<GroupUpdate, 'set'>,
  { who, rights, unproved }: Acting,
): Promise<void> {
  await metadata.write(removeGroup, { id, expectedVersion, rights, unproved, at: ports.clock.now(), who })
}

/** A page of the members. Throws RESOURCE_UNKNOWN when there is no such group. */
export async function listGroupMembers(
  directory: Pick<Directory, 'metadata'>,
  filter: { readonly groupId: number; readonly namePrefix?: string | undefined },
  page: PageRequest<'createdAt'>,
): Promise<Page<MemberRecord>> {
  await readGroup(directory, filter.groupId)
  return await listMemberRecords(directory.metadata.reader, filter, page)
}

/** Throws DENIED when the rights lack anything that the group has. */
async function requireAllHeld(
  tx: Transactor,
  { groupId, rights, at }: Pick<Giver, 'rights' | 'at'> & { readonly groupId: number },
): Promise<void> {
  for (const grant of await grantsOf(tx, groupId)) await requireHeld(tx, rights, grant, at)
}

async function grantsOf(tx: Transactor, groupId: number) {
  return await grantsOfSubject(tx, { kind: 'group', id: groupId }, grantsPerSubjectMax)
}

interface MembershipInput extends Giver {
  readonly groupId: number
  readonly userId: number
  readonly who: Who
}

const addMember = accessTransaction(import.meta.url, 'groups/add-member', async (tx: Transactor, input: MembershipInput) => {
  const { groupId, userId, at, who } = input
  const { group, user } = await requireBoth(tx, input)
  for (const grant of await grantsOf(tx, groupId)) await requireGivable(tx, input, grant)
  if ((await insertMember(tx, { groupId, userId, at })) === 'exists') return
  await recordEvent(tx, { action: 'group.member-added', target: `group:${group.name}`, detail: { user: user.name }, at, ...who })
})

/** Brings somebody in; nothing happens when they are in. Throws DENIED and ELEVATION_REQUIRED when the group has rights that the caller may not give. */
export async function addGroupMember(
  { metadata, ports }: Directory,
  member: { readonly groupId: number; readonly userId: number },
  { who, ...giver }: Acting,
): Promise<void> {
  await metadata.write(addMember, { ...member, ...giver, at: ports.clock.now(), who })
}

const removeMember = accessTransaction(
  import.meta.url,
  'groups/remove-member',
  async (tx: Transactor, input: Omit<MembershipInput, keyof Giver> & Pick<Giver, 'at'>) => {
    const { group, user } = await requireBoth(tx, input)
    if (!(await deleteMember(tx, input))) throw resourceUnknown('member', input.userId)
    const { at, who } = input
    await recordEvent(tx, { action: 'group.member-removed', target: `group:${group.name}`, detail: { user: user.name }, at, ...who })
  },
)

/** Takes somebody out. Throws RESOURCE_UNKNOWN when they are not in. */
export async function removeGroupMember(
  { metadata, ports }: Directory,
  member: { readonly groupId: number; readonly userId: number },
  { who }: Pick<Acting, 'who'>,
): Promise<void> {
  await metadata.write(removeMember, { ...member, at: ports.clock.now(), who })
}

async function requireGroup(tx: Transactor, id: number, expectedVersion: number | undefined): Promise<GroupRecord> {
  const record = await groupRecord(tx, id)
  if (record === undefined) throw resourceUnknown('group', id)
  requireVersion(record, expectedVersion)
  return record
}

/** The local group and the person. Throws CONFLICT for a provider's group. */
async function requireBoth(tx: Transactor, { groupId, userId }: Pick<MembershipInput, 'groupId' | 'userId'>) {
  const group = await requireGroup(tx, groupId, undefined)
  const user = await userRecord(tx, userId)
  if (user === undefined) throw resourceUnknown('user', userId)
  const message = `who is in this group is said by the provider ${group.provider}: change it there`
  if (group.provider !== null) throw new RegistryError('CONFLICT', { provider: group.provider }, { message })
  return { group, user }
}

function nameTaken(name: string): RegistryError {
  return new RegistryError('CONFLICT', { name }, { message: 'a group of this name exists' })
}
