import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGrant } from './grants.ts'
import {
  addGroupMember,
  createGroup,
  deleteGroup,
  listGroupMembers,
  listGroups,
  readGroup,
  removeGroupMember,
  updateGroup,
} from './groups.ts'
import { onboard } from './onboard.ts'
import { administrator, everything, holder, recorded, refusedAs } from './test-acting.ts'
import { addTestProvider, makeTestDirectory, testWho } from './test-vouched.ts'
import { createUser } from './users.ts'

const page = { limit: 10, column: 'createdAt', isDescending: false } as const
const clerk = holder(['group:update', 'group:delete'], everything)

async function place() {
  const directory = await makeTestDirectory()
  const { id: userId } = await createUser(directory, { name: 'alice', displayName: '', email: '', isAdministrator: false }, administrator)
  const { id: groupId } = await createGroup(directory, { name: 'Devs', description: '' }, administrator)
  return { directory, userId, groupId, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}

test('members come and go, once each, and the log says so', async () => {
  await using scene = await place()
  const { directory, ...member } = scene
  await addGroupMember(directory, member, clerk)
  await addGroupMember(directory, member, clerk)
  const { items } = await listGroupMembers(directory, member, page)
  assert.deepEqual(
    items.map(({ name }) => name),
    ['alice'],
  )
  await removeGroupMember(directory, member, clerk)
  await assert.rejects(removeGroupMember(directory, member, clerk), refusedAs('RESOURCE_UNKNOWN'))
  await assert.rejects(addGroupMember(directory, { ...member, userId: 99 }, clerk), refusedAs('RESOURCE_UNKNOWN'))
  await assert.rejects(addGroupMember(directory, { ...member, groupId: 99 }, clerk), refusedAs('RESOURCE_UNKNOWN'))
  await assert.rejects(listGroupMembers(directory, { groupId: 99 }, page), refusedAs('RESOURCE_UNKNOWN'))
  assert.deepEqual((await recorded(directory)).slice(2), ['group.member-added group:Devs', 'group.member-removed group:Devs'])
})

test('who brings somebody into a group, or removes it, holds what the group has', async () => {
  await using scene = await place()
  const { directory, groupId, userId } = scene
  const grant = {
    subject: { kind: 'group', id: groupId },
    role: 'guest',
    project: undefined,
    repositories: 'a/**',
    expiresAt: null,
  } as const
  await createGrant(directory, grant, administrator)
  await assert.rejects(addGroupMember(directory, { groupId, userId }, clerk), refusedAs('DENIED'))
  await assert.rejects(deleteGroup(directory, { id: groupId, expectedVersion: undefined }, clerk), refusedAs('DENIED'))
  await addGroupMember(directory, { groupId, userId }, holder('guest', everything))
  await deleteGroup(directory, { id: groupId, expectedVersion: undefined }, administrator)
  assert.deepEqual(await directory.metadata.reader.selectFrom('grants').select('id').execute(), [])
})

test('who is in the group of a provider is said by the provider', async () => {
  await using scene = await place()
  const { directory, userId } = scene
  const providerId = await addTestProvider(directory, 'corp', 'oidc')
  const said = { issuer: 'i', subject: 's', name: 'bob', displayName: '', email: '', isAdministrator: undefined, attributes: {} }
  await onboard(directory, { providerId, identity: { ...said, groups: ['ops'] } }, testWho)
  const { items } = await listGroups(directory, { provider: 'corp' }, { ...page, column: 'name' })
  const group = items[0]
  assert.equal(group?.provider, 'corp')
  await assert.rejects(addGroupMember(directory, { groupId: group.id, userId }, administrator), refusedAs('CONFLICT'))
  const { items: members } = await listGroupMembers(directory, { groupId: group.id }, page)
  const bob = members[0]?.userId ?? 0
  await assert.rejects(removeGroupMember(directory, { groupId: group.id, userId: bob }, administrator), refusedAs('CONFLICT'))
  assert.deepEqual(
    (await listGroups(directory, { provider: 'local' }, { ...page, column: 'name' })).items.map(({ name }) => name),
    ['Devs'],
  )
})

test('a group is renamed and described; its name is given once', async () => {
  await using scene = await place()
  const { directory, groupId: id } = scene
  await createGroup(directory, { name: 'Ops', description: '' }, administrator)
  await assert.rejects(createGroup(directory, { name: 'Ops', description: '' }, administrator), refusedAs('CONFLICT'))
  await assert.rejects(
    updateGroup(directory, { id, expectedVersion: undefined, set: { name: 'Ops' } }, administrator),
    refusedAs('CONFLICT'),
  )
  for (const name of ['', ' x', 'a\u0000b', 'a\u202eb', 'x'.repeat(256)]) {
    await assert.rejects(createGroup(directory, { name, description: '' }, administrator), refusedAs('REQUEST_INVALID'))
  }
  const changed = await updateGroup(directory, { id, expectedVersion: 1, set: { name: 'Devs', description: 'who develop' } }, administrator)
  assert.deepEqual([changed.name, changed.description, changed.version], ['Devs', 'who develop', 2])
  await assert.rejects(updateGroup(directory, { id, expectedVersion: 1, set: {} }, administrator), refusedAs('PRECONDITION_FAILED'))
  await assert.rejects(readGroup(directory, 99), refusedAs('RESOURCE_UNKNOWN'))
})
