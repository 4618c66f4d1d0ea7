import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Acting } from './acting.ts'
import { createGrant, deleteGrant, listGrants, readGrant, updateGrant, type NewGrant } from './grants.ts'
import { createRole } from './roles.ts'
import { administrator, everything, holder, makeProject, onGlob, recorded, refusedAs } from './test-acting.ts'
import { makeTestDirectory, type TestDirectory } from './test-vouched.ts'
import { createUser } from './users.ts'

async function place() {
  const directory = await makeTestDirectory()
  for (const name of ['alice', 'bob'])
    await createUser(directory, { name, displayName: '', email: '', isAdministrator: false }, administrator)
  const team = await makeProject(directory, 'team')
  const child = await makeProject(directory, 'team/web', [team])
  const other = await makeProject(directory, 'other')
  return { directory, team, child, other, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}

const toAlice: NewGrant = {
  subject: { kind: 'user', name: 'alice' },
  role: 'developer',
  project: undefined,
  repositories: null,
  expiresAt: null,
}

function give(directory: TestDirectory, grant: Partial<NewGrant>, acting: Acting = administrator) {
  return createGrant(directory, { ...toAlice, ...grant }, acting)
}

function adminOf({ id: projectId }: { readonly id: number }): Acting {
  return holder('project-admin', { kind: 'project', projectId })
}

test('a grant names whom, what, where and until when, and so does the log', async () => {
  await using scene = await place()
  const { directory, team } = scene
  const expiresAt = directory.ports.clock.now() + 1000
  const grant = await give(directory, { project: team, repositories: 'team/a-*', expiresAt })
  assert.deepEqual(
    [grant.subject.kind, grant.subjectName, grant.role, grant.project, grant.repositories, grant.expiresAt, grant.createdBy],
    ['user', 'alice', 'developer', 'team', 'team/a-*', expiresAt, 'root'],
  )
  assert.equal((await recorded(directory)).at(-1), `grant.created grant:${grant.id}`)
})

test('nobody gives what they do not have, and nowhere where they do not have it', async () => {
  await using scene = await place()
  const { directory, team, child, other } = scene
  const lead = adminOf(team)
  await give(directory, { project: team }, lead)
  await give(directory, { project: child, role: 'project-admin' }, lead)
  await give(directory, { project: team, repositories: 'team/**' }, lead)
  await assert.rejects(give(directory, { project: other }, lead), refusedAs('DENIED'))
  await assert.rejects(give(directory, {}, lead), refusedAs('DENIED'))
  await assert.rejects(give(directory, { repositories: 'team/**' }, lead), refusedAs('DENIED'))
  await assert.rejects(give(directory, { project: team, role: 'project-creator' }, lead), refusedAs('DENIED'))
  await assert.rejects(give(directory, { project: team }, adminOf(child)), refusedAs('DENIED'))
  await assert.rejects(give(directory, { project: team }, holder('maintainer', onGlob('team/**', team.id))), refusedAs('DENIED'))
  const clerk = holder(['grant:create', 'grant:update', 'grant:delete', 'repository:pull'], everything)
  await assert.rejects(give(directory, { project: team, role: 'guest' }, clerk), refusedAs('DENIED'))
})

test('nobody gives for longer than they have', async () => {
  await using scene = await place()
  const { directory, team } = scene
  const now = directory.ports.clock.now()
  const guest = holder('project-admin', { kind: 'project', projectId: team.id }, now + 1000)
  await assert.rejects(give(directory, { project: team }, guest), refusedAs('DENIED'))
  await assert.rejects(give(directory, { project: team, expiresAt: now + 2000 }, guest), refusedAs('DENIED'))
  await give(directory, { project: team, expiresAt: now + 1000 }, guest)
  await assert.rejects(give(directory, { project: team, role: 'guest', expiresAt: now }, administrator), refusedAs('REQUEST_INVALID'))
})

test('a grant is found, changed and taken away in its own project only', async () => {
  await using scene = await place()
  const { directory, team, child, other } = scene
  const { id } = await give(directory, { project: other })
  for (const project of [team, child]) {
    const address = { id, project, expectedVersion: undefined }
    await assert.rejects(readGrant(directory, address), refusedAs('RESOURCE_UNKNOWN'))
    await assert.rejects(updateGrant(directory, { ...address, set: { role: 'guest' } }, administrator), refusedAs('RESOURCE_UNKNOWN'))
    await assert.rejects(deleteGrant(directory, address, administrator), refusedAs('RESOURCE_UNKNOWN'))
  }
  const system = await give(directory, {})
  await assert.rejects(readGrant(directory, { id: system.id, project: team }), refusedAs('RESOURCE_UNKNOWN'))
  const { items } = await listGrants(directory, { projectId: team.id }, { limit: 10, column: 'createdAt', isDescending: false })
  assert.deepEqual(items, [])
})

test('nobody changes or takes away a grant wider than their own rights', async () => {
  await using scene = await place()
  const { directory, team } = scene
  const wide = await give(directory, { project: team, role: 'project-admin' })
  await give(directory, { project: team, role: 'project-admin', subject: { kind: 'user', name: 'bob' } })
  const narrow = await give(directory, { project: team, role: 'guest' })
  const helper = holder(['grant:update', 'grant:delete', ...holder('developer', everything).rights.rights[0]!.permissions], {
    kind: 'project',
    projectId: team.id,
  })
  const address = { project: team, expectedVersion: undefined }
  await assert.rejects(deleteGrant(directory, { ...address, id: wide.id }, helper), refusedAs('DENIED'))
  await assert.rejects(updateGrant(directory, { ...address, id: wide.id, set: { role: 'guest' } }, helper), refusedAs('DENIED'))
  await assert.rejects(updateGrant(directory, { ...address, id: narrow.id, set: { role: 'maintainer' } }, helper), refusedAs('DENIED'))
  assert.equal((await updateGrant(directory, { ...address, id: narrow.id, set: { role: 'developer' } }, helper)).role, 'developer')
  await deleteGrant(directory, { ...address, id: narrow.id }, helper)
})

test('the last administrator of a project goes by the hand of a system administrator only', async () => {
  await using scene = await place()
  const { directory, team } = scene
  const address = { project: team, expectedVersion: undefined }
  const alice = await give(directory, { project: team, role: 'project-admin' })
  const lead = adminOf(team)
  const end = directory.ports.clock.now() + 1000
  for (const set of [{ role: 'guest' }, { repositories: 'team/**' }, { expiresAt: end }]) {
    await assert.rejects(updateGrant(directory, { ...address, id: alice.id, set }, lead), refusedAs('DENIED'))
  }
  await assert.rejects(deleteGrant(directory, { ...address, id: alice.id }, lead), refusedAs('DENIED'))
  const bob = await give(directory, { project: team, role: 'project-admin', subject: { kind: 'user', name: 'bob' } }, lead)
  const results = await Promise.allSettled([alice, bob].map(({ id }) => deleteGrant(directory, { ...address, id }, lead)))
  assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  const { items } = await listGrants(directory, { projectId: team.id }, { limit: 10, column: 'createdAt', isDescending: false })
  assert.equal(items.length, 1)
  for (const { id } of items) await deleteGrant(directory, { ...address, id }, administrator)
})

test('roles about the system are granted on everything only, and never to everyone', async () => {
  await using scene = await place()
  const { directory, team } = scene
  await createRole(directory, { name: 'clerk', title: '', description: '', permissions: ['user:list', 'repository:pull'] }, administrator)
  await assert.rejects(give(directory, { role: 'clerk', project: team }), refusedAs('REQUEST_INVALID'))
  await assert.rejects(give(directory, { role: 'system-reader', repositories: '**' }), refusedAs('REQUEST_INVALID'))
  await assert.rejects(give(directory, { role: 'clerk', subject: { kind: 'everyone' } }), refusedAs('REQUEST_INVALID'))
  await give(directory, { role: 'clerk' })
  const narrow = await give(directory, { project: team })
  const update = { id: narrow.id, project: team, expectedVersion: undefined, set: { role: 'clerk' } }
  await assert.rejects(updateGrant(directory, update, administrator), refusedAs('REQUEST_INVALID'))
})

test('what names nobody, no role, no repository or an other project is refused', async () => {
  await using scene = await place()
  const { directory, team } = scene
  const bad: Partial<NewGrant>[] = [
    { subject: { kind: 'user', name: 'nobody' } },
    { subject: { kind: 'user', id: 999 } },
    { subject: { kind: 'user' } },
    { subject: { kind: 'group', name: 'nobody' } },
    { subject: { kind: 'robot', name: 'robot-ci' } },
    { subject: { kind: 'robot', name: 'alice' } },
    { role: 'nothing' },
    { role: '__proto__' },
    { repositories: '' },
    { repositories: 'Upper/**' },
    { project: team, repositories: 'web-*' },
    { project: team, repositories: 'other/**' },
    { project: team, repositories: 'team' },
  ]
  for (const part of bad) await assert.rejects(give(directory, part), refusedAs('REQUEST_INVALID'), JSON.stringify(part))
  for (const repositories of ['team/**', 't**', '*/web', 'team/web-*', '**']) await give(directory, { project: team, repositories })
})

test('a role whose grant has ended is given again, and the ended grant makes room', async () => {
  await using scene = await place()
  const { directory, team, child } = scene
  const { clock } = directory.ports
  const ended = await give(directory, { project: team, expiresAt: clock.now() + 1000 })
  const elsewhere = await give(directory, { project: child, expiresAt: clock.now() + 1000 })
  await assert.rejects(give(directory, { project: team }), refusedAs('CONFLICT'))
  directory.advance(1000)
  const again = await give(directory, { project: team })
  assert.equal(again.expiresAt, null)
  await assert.rejects(readGrant(directory, { id: ended.id, project: team }), refusedAs('RESOURCE_UNKNOWN'))
  assert.deepEqual((await recorded(directory)).slice(-2), [`grant.deleted grant:${ended.id}`, `grant.created grant:${again.id}`])
  // What was given in another place is left as it is, and a change of a grant meets no ended one either.
  const other = await give(directory, { project: child, role: 'guest' })
  await updateGrant(directory, { id: other.id, project: child, expectedVersion: undefined, set: { role: 'developer' } }, administrator)
  await assert.rejects(readGrant(directory, { id: elsewhere.id, project: child }), refusedAs('RESOURCE_UNKNOWN'))
})

test('the same is granted once, at once or one after the other', async () => {
  await using scene = await place()
  const { directory, team } = scene
  const results = await Promise.allSettled([1, 2, 3].map(() => give(directory, { project: team })))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  await assert.rejects(give(directory, { project: team }), refusedAs('CONFLICT'))
  const guest = await give(directory, { project: team, role: 'guest' })
  const same = { id: guest.id, project: team, expectedVersion: undefined, set: { role: 'developer' } }
  await assert.rejects(updateGrant(directory, same, administrator), refusedAs('CONFLICT'))
  await updateGrant(directory, { ...same, set: { repositories: 'team/**' } }, administrator)
  await assert.rejects(updateGrant(directory, { ...same, expectedVersion: 1, set: {} }, administrator), refusedAs('PRECONDITION_FAILED'))
})
