import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findUser } from '#metadata/users.ts'
import type { NewUser } from './users.ts'
import { createUser, deleteUser, listUsers, readUser, updateUser } from './users.ts'
import { administrator, everything, holder, recorded, refusedAs } from './test-acting.ts'
import { makeTestDirectory, type TestDirectory } from './test-vouched.ts'

const clerk = holder(['user:list', 'user:read', 'user:create', 'user:update', 'user:delete'], everything)
const first = { limit: 100, column: 'name', isDescending: false } as const

function make(directory: TestDirectory, name: string, extra: Partial<NewUser> = {}, acting = administrator) {
  return createUser(directory, { name, displayName: '', email: '', isAdministrator: false, ...extra }, acting)
}

test('an account is made with a hashed password, and shown without it', async () => {
  await using directory = await makeTestDirectory()
  const user = await make(directory, 'alice', { password: 'correct horse battery', displayName: 'Alice', email: 'a@example.org' })
  assert.equal(user.hasPassword, true)
  assert.match((await findUser(directory.metadata.reader, 'alice'))?.passwordHash ?? '', /^\$argon2id\$/)
  assert.doesNotMatch(JSON.stringify(user), /argon2id|correct horse/)
  assert.equal((await make(directory, 'bob')).hasPassword, false)
  assert.deepEqual(await recorded(directory), ['user.created user:alice', 'user.created user:bob'])
})

test('names that a robot, a shell, a URL or a Basic credential would confuse are refused', async () => {
  await using directory = await makeTestDirectory()
  for (const name of ['', 'robot-ci', 'Robot-ci', 'robot$ci', 'a:b', 'a b', 'a/b', '-a', 'a.', 'é', 'a'.repeat(129), 'a\u0000', "a'b"]) {
    await assert.rejects(make(directory, name), refusedAs('REQUEST_INVALID'), name)
  }
  for (const name of ['a', 'Alice.Liddell+ci@example.org', '_svc', '0', 'a'.repeat(128)]) await make(directory, name)
})

test('a name that differs from another by case only is taken', async () => {
  await using directory = await makeTestDirectory()
  const { id } = await make(directory, 'alice')
  await assert.rejects(make(directory, 'Alice'), refusedAs('CONFLICT'))
  const bob = await make(directory, 'bob')
  await assert.rejects(
    updateUser(directory, { id: bob.id, expectedVersion: undefined, set: { name: 'ALICE' } }, administrator),
    refusedAs('CONFLICT'),
  )
  assert.equal((await updateUser(directory, { id, expectedVersion: undefined, set: { name: 'Alice' } }, administrator)).name, 'Alice')
})

test('of two who make the same name at once, one does', async () => {
  await using directory = await makeTestDirectory()
  const made = await Promise.allSettled([make(directory, 'alice'), make(directory, 'Alice'), make(directory, 'aLice')])
  assert.equal(made.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('a change needs the version that was read, when it says one', async () => {
  await using directory = await makeTestDirectory()
  const { id, version } = await make(directory, 'alice')
  const changed = await updateUser(directory, { id, expectedVersion: version, set: { displayName: 'Alice' } }, administrator)
  assert.equal(changed.version, version + 1)
  await assert.rejects(
    updateUser(directory, { id, expectedVersion: version, set: { email: 'x@y' } }, administrator),
    refusedAs('PRECONDITION_FAILED'),
  )
  await assert.rejects(deleteUser(directory, { id, expectedVersion: version }, administrator), refusedAs('PRECONDITION_FAILED'))
  assert.equal((await readUser(directory, id)).email, '')
})

test('the last administrator that is not disabled is never removed, disabled or demoted', async () => {
  await using directory = await makeTestDirectory()
  const root = await make(directory, 'root', { isAdministrator: true })
  const spare = await make(directory, 'spare', { isAdministrator: true })
  const change = (id: number, set: object) => updateUser(directory, { id, expectedVersion: undefined, set }, administrator)
  await change(spare.id, { isDisabled: true })
  await assert.rejects(change(root.id, { isDisabled: true }), refusedAs('CONFLICT'))
  await assert.rejects(change(root.id, { isAdmin: false }), refusedAs('CONFLICT'))
  await assert.rejects(deleteUser(directory, { id: root.id, expectedVersion: undefined }, administrator), refusedAs('CONFLICT'))
  await change(spare.id, { isDisabled: false })
  const results = await Promise.allSettled([change(root.id, { isAdmin: false }), change(spare.id, { isAdmin: false })])
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('who keeps accounts without being an administrator lifts nobody and touches no administrator', async () => {
  await using directory = await makeTestDirectory()
  const root = await make(directory, 'root', { isAdministrator: true })
  await make(directory, 'spare', { isAdministrator: true })
  const alice = await make(directory, 'alice', {}, clerk)
  await assert.rejects(make(directory, 'eve', { isAdministrator: true }, clerk), refusedAs('DENIED'))
  const change = (id: number, set: object) => updateUser(directory, { id, expectedVersion: undefined, set }, clerk)
  await assert.rejects(change(alice.id, { isAdmin: true }), refusedAs('DENIED'))
  await assert.rejects(change(root.id, { isAdmin: false }), refusedAs('DENIED'))
  await assert.rejects(change(root.id, { email: 'eve@example.org' }), refusedAs('DENIED'))
  await assert.rejects(deleteUser(directory, { id: root.id, expectedVersion: undefined }, clerk), refusedAs('DENIED'))
  assert.equal((await change(alice.id, { isDisabled: true, isAdmin: false })).isDisabled, true)
  const scoped = { ...administrator, rights: { ...administrator.rights, limits: clerk.rights.rights } }
  await assert.rejects(make(directory, 'mallory', { isAdministrator: true }, scoped), refusedAs('DENIED'))
})

test('what is told of a change names members, not values, and says disabling by itself', async () => {
  await using directory = await makeTestDirectory()
  const { id } = await make(directory, 'alice')
  await updateUser(
    directory,
    { id, expectedVersion: undefined, set: { email: 'secret@example.org', isDisabled: true, displayName: '' } },
    administrator,
  )
  await updateUser(directory, { id, expectedVersion: undefined, set: { isDisabled: false } }, administrator)
  await updateUser(directory, { id, expectedVersion: undefined, set: {} }, administrator)
  assert.deepEqual((await recorded(directory)).slice(1), ['user.updated user:alice', 'user.disabled user:alice', 'user.enabled user:alice'])
  const { detail } = await directory.metadata.reader
    .selectFrom('events')
    .select('detail')
    .where('action', '=', 'user.updated')
    .executeTakeFirstOrThrow()
  assert.deepEqual(JSON.parse(detail), { changed: ['email'] })
})

test('a removed account is gone, and the log keeps its name', async () => {
  await using directory = await makeTestDirectory()
  const { id } = await make(directory, 'alice')
  await deleteUser(directory, { id, expectedVersion: undefined }, administrator)
  await assert.rejects(readUser(directory, id), refusedAs('RESOURCE_UNKNOWN'))
  await assert.rejects(deleteUser(directory, { id, expectedVersion: undefined }, administrator), refusedAs('RESOURCE_UNKNOWN'))
  assert.deepEqual(await recorded(directory), ['user.created user:alice', 'user.deleted user:alice'])
})

test('lists are paged in each order and narrowed by each filter', async () => {
  await using directory = await makeTestDirectory()
  for (const name of ['bob', 'Anna', 'carl', 'b_x', 'b%x']) {
    if (name !== 'b%x') await make(directory, name, name === 'carl' ? { isAdministrator: true, password: 'correct horse battery' } : {})
    directory.advance(10)
  }
  const names = async (filter: Parameters<typeof listUsers>[1], page: Parameters<typeof listUsers>[2] = first) =>
    (await listUsers(directory, filter, page)).items.map(({ name }) => name)
  assert.deepEqual(await names({}), ['Anna', 'b_x', 'bob', 'carl'])
  assert.deepEqual(await names({}, { ...first, isDescending: true }), ['carl', 'bob', 'b_x', 'Anna'])
  assert.deepEqual(await names({}, { ...first, column: 'createdAt' }), ['bob', 'Anna', 'carl', 'b_x'])
  assert.deepEqual(await names({ namePrefix: 'b' }), ['b_x', 'bob'])
  assert.deepEqual(await names({ namePrefix: 'b_' }), ['b_x'])
  assert.deepEqual(await names({ namePrefix: '%' }), [])
  assert.deepEqual(await names({ isAdmin: true }), ['carl'])
  assert.deepEqual(await names({ isDisabled: true }), [])
  assert.deepEqual(await names({ provider: 'local' }), ['carl'])
  assert.deepEqual(await names({ provider: 'corp' }), [])
  const walked: string[] = []
  let after: { value: string | number; id: number } | undefined
  do {
    const page = await listUsers(directory, {}, { limit: 1, column: 'lastLoginAt', isDescending: true, after })
    walked.push(...page.items.map(({ name }) => name))
    after = page.next
  } while (after !== undefined)
  assert.deepEqual(walked.toSorted(), ['Anna', 'b_x', 'bob', 'carl'])
})
