import assert from 'node:assert/strict'
import { test } from 'node:test'
import { onboard, type Vouched } from './onboard.ts'
import type { ExternalIdentity } from './password-provider.ts'
import {
  addByHand,
  addTestProvider,
  disable,
  insertGroup,
  insertVouched,
  makeTestDirectory,
  setAdministrator,
  testWho,
  type TestDirectory,
} from './test-vouched.ts'

const alice: ExternalIdentity = {
  issuer: 'https://idp.example',
  subject: '1',
  name: 'alice',
  displayName: 'Alice',
  email: 'alice@example.org',
  groups: ['devs'],
  isAdministrator: undefined,
  attributes: {},
}

async function place(): Promise<
  AsyncDisposable & {
    directory: TestDirectory
    see: (said?: Partial<ExternalIdentity>, extra?: Partial<Vouched>) => ReturnType<typeof onboard>
  }
> {
  const directory = await makeTestDirectory()
  const providerId = await addTestProvider(directory, 'corp', 'oidc')
  return {
    directory,
    see: (said = {}, extra = {}) => onboard(directory, { providerId, identity: { ...alice, ...said }, ...extra }, testWho),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

async function groupsOf({ metadata }: TestDirectory, userId: number): Promise<string[]> {
  const rows = await metadata.reader
    .selectFrom('group_members')
    .innerJoin('groups', 'groups.id', 'group_members.group_id')
    .select('groups.name')
    .where('user_id', '=', userId)
    .orderBy('groups.name')
    .execute()
  return rows.map(({ name }) => name)
}

const user = ({ metadata }: TestDirectory, id: number) =>
  metadata.reader.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
const epoch = ({ metadata }: TestDirectory) =>
  metadata.reader.selectFrom('settings').select('value').where('name', '=', 'access-epoch').executeTakeFirst()
const events = async ({ metadata }: TestDirectory) =>
  (await metadata.reader.selectFrom('events').select('action').orderBy('id').execute()).map(({ action }) => action)

test('a subject seen for the first time gets an account without a password, in the groups that are said', async () => {
  await using at = await place()
  const made = await at.see()
  assert.equal(made.isNew, true)
  const row = await user(at.directory, made.userId)
  assert.deepEqual([row.name, row.password_hash, row.is_admin, row.email], ['alice', '', 0, 'alice@example.org'])
  assert.deepEqual(await groupsOf(at.directory, made.userId), ['devs'])
  assert.deepEqual(await events(at.directory), ['user.created', 'group.created', 'group.member-added'])
})

test('the same subject is the same account, and nothing is written when nothing changed', async () => {
  await using at = await place()
  const made = await at.see()
  const before = await epoch(at.directory)
  at.directory.advance(3_600_000)
  assert.deepEqual(await at.see(), { ...made, isNew: false })
  assert.deepEqual(await epoch(at.directory), before)
  const identity = await at.directory.metadata.reader.selectFrom('identities').select(['refreshed_at']).executeTakeFirstOrThrow()
  assert.equal(identity.refreshed_at, at.directory.ports.clock.now())
})

test('another subject, or the same one of another issuer, never gets an account that is there by its name or address', async () => {
  await using at = await place()
  await at.see()
  for (const said of [{ subject: '2' }, { issuer: 'https://evil.example' }])
    await assert.rejects(at.see(said), { code: 'CONFLICT', message: /belongs to another account/ })
  const chosen = await at.see({ subject: '2' }, { onNewName: 'alice2' })
  assert.equal(chosen.name, 'alice2')
  assert.equal((await at.see({ subject: '2' })).userId, chosen.userId)
})

test('a provider cannot take the name of the administrator over', async () => {
  await using at = await place()
  await at.directory.metadata.write(insertVouched, { name: 'admin', isAdmin: true })
  await assert.rejects(at.see({ name: 'admin' }), { code: 'CONFLICT' })
  await assert.rejects(at.see({ name: 'ADMIN' }), { code: 'CONFLICT' })
})

test('a lost group is lost at the next sight, and one that was given by hand stays', async () => {
  await using at = await place()
  const { userId } = await at.see({ groups: ['devs', 'ops'] })
  await at.see({ groups: ['ops', 'qa'] })
  assert.deepEqual(await groupsOf(at.directory, userId), ['ops', 'qa'])
  await at.see({ groups: [] })
  assert.deepEqual(await groupsOf(at.directory, userId), [])
  await at.directory.metadata.write(addByHand, { group: 'devs', userId })
  const before = await epoch(at.directory)
  await at.see({ groups: [] })
  await at.see({ groups: ['devs'] })
  assert.deepEqual(await groupsOf(at.directory, userId), ['devs'])
  assert.deepEqual(await epoch(at.directory), before)
})

test('a group of a provider never becomes the local group of that name', async () => {
  await using at = await place()
  await at.directory.metadata.write(insertGroup, 'admins')
  const { userId } = await at.see({ groups: ['admins', 'cn=admins,ou=groups,dc=example,dc=org', 'CN=Two\\, words,DC=example'] })
  assert.deepEqual(await groupsOf(at.directory, userId), ['Two, words', 'admins (corp)', 'cn=admins,ou=groups,dc=example,dc=org'])
})

test('the administrator flag follows the provider that gave it, and no other', async () => {
  await using at = await place()
  const { userId } = await at.see({ isAdministrator: true })
  assert.equal((await user(at.directory, userId)).is_admin, 1)
  await at.see({ isAdministrator: true })
  await at.see({ isAdministrator: false })
  assert.equal((await user(at.directory, userId)).is_admin, 0)
  await at.directory.metadata.write(setAdministrator, userId)
  await at.see({ isAdministrator: false })
  assert.equal((await user(at.directory, userId)).is_admin, 1, 'a flag that a person set stays')
  await at.see({ isAdministrator: undefined })
  assert.equal((await user(at.directory, userId)).is_admin, 1)
})

test('a flag goes too when the provider has no group of administrators any more', async () => {
  await using at = await place()
  const { userId } = await at.see({ isAdministrator: true })
  await at.see({ isAdministrator: undefined })
  assert.equal((await user(at.directory, userId)).is_admin, 0)
})

test('a disabled account is given back as disabled', async () => {
  await using at = await place()
  const { userId } = await at.see()
  await at.directory.metadata.write(disable, userId)
  assert.equal((await at.see()).isDisabled, true)
})

test('names that no account may have are refused, others are made to fit', async () => {
  await using at = await place()
  for (const name of ['', 'robot-ci', 'robot$x', '---', '\u202e']) await assert.rejects(at.see({ name }), { code: 'REQUEST_INVALID' }, name)
  assert.equal((await at.see({ name: ' Max: Müller\n' })).name, 'max-müller')
})

test('a million groups, empty ones and very long ones are cut off', async () => {
  await using at = await place()
  const groups = ['', 'x'.repeat(10_000), ...Array.from({ length: 1_200 }, (_, index) => `g${String(index).padStart(5, '0')}`)]
  const { userId } = await at.see({ groups })
  assert.equal((await groupsOf(at.directory, userId)).length, 1_000)
})

test('two first sights at once make one account', async () => {
  await using at = await place()
  const seen = await Promise.all([at.see(), at.see(), at.see()])
  assert.equal(new Set(seen.map(({ userId }) => userId)).size, 1)
  assert.equal(seen.filter(({ isNew }) => isNew).length, 1)
})
