import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtInRoles } from '#api/permissions.ts'
import { createGrant, type NewGrant } from './grants.ts'
import { createRole, deleteRole, listRoles, readRole, updateRole, type NewRole } from './roles.ts'
import { administrator, everything, holder, makeProject, refusedAs } from './test-acting.ts'
import { makeTestDirectory, type TestDirectory } from './test-vouched.ts'

function make(directory: TestDirectory, role: Partial<NewRole>) {
  return createRole(directory, { name: 'puller', title: '', description: '', permissions: ['repository:pull'], ...role }, administrator)
}

const toAll: NewGrant = { subject: { kind: 'signed-in' }, role: 'puller', project: undefined, repositories: null, expiresAt: null }

test('made roles stand beside the built-in ones, which nobody makes, changes or removes', async () => {
  await using directory = await makeTestDirectory()
  const role = await make(directory, { permissions: ['repository:pull', 'tag:list', 'repository:pull'] })
  assert.deepEqual(role.permissions, ['repository:pull', 'tag:list'])
  assert.deepEqual(
    (await listRoles(directory)).map(({ name }) => name),
    [...builtInRoles.map(({ name }) => name), 'puller'],
  )
  const guest = { name: 'guest', expectedVersion: undefined }
  await assert.rejects(make(directory, { name: 'guest' }), refusedAs('CONFLICT'))
  await assert.rejects(updateRole(directory, { ...guest, set: { permissions: [] } }, administrator), refusedAs('CONFLICT'))
  await assert.rejects(deleteRole(directory, guest, administrator), refusedAs('CONFLICT'))
  await assert.rejects(make(directory, {}), refusedAs('CONFLICT'))
  await assert.rejects(readRole(directory, 'nothing'), refusedAs('RESOURCE_UNKNOWN'))
  for (const name of ['', 'A', '-a', 'a/b', 'a b', 'a'.repeat(65), '__proto__'])
    await assert.rejects(make(directory, { name }), refusedAs('REQUEST_INVALID'))
})

test('a role that is granted stays, and says how often it is', async () => {
  await using directory = await makeTestDirectory()
  await make(directory, {})
  await createGrant(directory, toAll, administrator)
  await createGrant(directory, { ...toAll, repositories: 'a/**' }, administrator)
  const puller = { name: 'puller', expectedVersion: undefined }
  await assert.rejects(deleteRole(directory, puller, administrator), { code: 'CONFLICT', message: /^2 grants/ })
  await make(directory, { name: 'other' })
  await deleteRole(directory, { name: 'other', expectedVersion: undefined }, administrator)
  await assert.rejects(readRole(directory, 'other'), refusedAs('RESOURCE_UNKNOWN'))
})

test('who adds to a role must hold what is added, on everything', async () => {
  await using directory = await makeTestDirectory()
  await make(directory, {})
  const team = await makeProject(directory, 'team')
  const update = { name: 'puller', expectedVersion: undefined, set: { permissions: ['repository:pull', 'repository:push'] } } as const
  await assert.rejects(updateRole(directory, update, holder('role:update', everything)), refusedAs('DENIED'))
  await assert.rejects(
    updateRole(directory, update, holder(['repository:push'], { kind: 'project', projectId: team.id })),
    refusedAs('DENIED'),
  )
  const able = holder(['role:update', 'repository:push'], everything)
  assert.deepEqual((await updateRole(directory, update, able)).permissions, ['repository:pull', 'repository:push'])
  // What is there already, or is taken away, need not be held.
  await updateRole(directory, { ...update, set: { title: 'Puller', permissions: ['repository:pull'] } }, holder('role:update', everything))
  await assert.rejects(updateRole(directory, { ...update, expectedVersion: 1 }, able), refusedAs('PRECONDITION_FAILED'))
})

test('permissions about the system come into no role that is granted on less than everything', async () => {
  await using directory = await makeTestDirectory()
  await make(directory, {})
  await createGrant(directory, { ...toAll, repositories: 'a/**' }, administrator)
  const update = { name: 'puller', expectedVersion: undefined, set: { permissions: ['repository:pull', 'user:list'] } } as const
  await assert.rejects(updateRole(directory, update, administrator), { code: 'CONFLICT', message: /^1 grant gives/ })
})
