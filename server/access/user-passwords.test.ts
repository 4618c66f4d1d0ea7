import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transaction } from '#metadata/transaction.ts'
import { findUser } from '#metadata/users.ts'
import { verifyPassword } from './password.ts'
import { changeOwnPassword, resetPassword, setPasswordAtConsole } from './user-passwords.ts'
import { createUser, readUser, updateUser } from './users.ts'
import { administrator, everything, holder, refusedAs } from './test-acting.ts'
import { makeTestDirectory, testWho, type TestDirectory } from './test-vouched.ts'

const old = 'correct horse battery'
const next = 'staple of another kind'

async function makeAlice(directory: TestDirectory) {
  const input = { name: 'alice', displayName: '', email: '', isAdministrator: false, password: old }
  return await createUser(directory, input, administrator)
}

async function opens({ metadata }: TestDirectory, password: string): Promise<boolean> {
  return await verifyPassword(password, (await findUser(metadata.reader, 'alice'))?.passwordHash ?? '')
}

test('who knows the present password sets another one', async () => {
  await using directory = await makeTestDirectory()
  const { id } = await makeAlice(directory)
  await assert.rejects(
    changeOwnPassword(directory, { id, currentPassword: 'guess', password: next }, testWho),
    refusedAs('REQUEST_INVALID'),
  )
  await assert.rejects(changeOwnPassword(directory, { id, currentPassword: '', password: next }, testWho), refusedAs('REQUEST_INVALID'))
  await assert.rejects(
    changeOwnPassword(directory, { id, currentPassword: old, password: 'password' }, testWho),
    refusedAs('REQUEST_INVALID'),
  )
  assert.ok(await opens(directory, old))
  await changeOwnPassword(directory, { id, currentPassword: old, password: next }, testWho)
  assert.ok(await opens(directory, next))
  assert.ok(!(await opens(directory, old)))
})

test('guesses at the present password are slowed down as logins are', async () => {
  await using directory = await makeTestDirectory()
  const { id } = await makeAlice(directory)
  const guess = (currentPassword: string) =>
    changeOwnPassword(directory, { id, currentPassword, password: next }, { ...testWho, address: '192.0.2.1' })
  for (let tries = 0; tries < 5; tries++) await assert.rejects(guess('wrong'), refusedAs('REQUEST_INVALID'))
  await assert.rejects(guess(old), refusedAs('TOOMANYREQUESTS'))
  directory.advance(2_000)
  await guess(old)
})

test('of two changes at once one is refused', async () => {
  await using directory = await makeTestDirectory()
  const { id } = await makeAlice(directory)
  const change = (password: string) => changeOwnPassword(directory, { id, currentPassword: old, password }, testWho)
  const results = await Promise.allSettled([change(next), change(`${next}!`)])
  assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
})

const signIn = transaction(import.meta.url, 'user-passwords-test/sign-in', async (tx, userId: number) => {
  const times = { expires_at: 9e15, created_at: 1 }
  const session = {
    hash: Buffer.from('s'),
    user_id: userId,
    provider_id: null,
    state: 'active',
    data: '{}',
    address: '',
    user_agent: '',
  } as const
  await tx
    .insertInto('sessions')
    .values({ ...session, elevated_until: 0, last_seen_at: 1, ...times })
    .execute()
  for (const kind of ['refresh', 'personal'] as const) {
    const token = { kind, hash: Buffer.from(kind), hint: '', user_id: userId, robot_id: null, name: '', scopes: null, client: '' }
    await tx
      .insertInto('tokens')
      .values({ ...token, last_used_at: null, created_by: '', ...times })
      .execute()
  }
})

async function signedIn({ metadata }: TestDirectory): Promise<string[]> {
  const tokens = await metadata.reader.selectFrom('tokens').select('kind').execute()
  const sessions = await metadata.reader.selectFrom('sessions').select('id').execute()
  return [...tokens.map(({ kind }) => kind), ...sessions.map(() => 'session')].toSorted()
}

test('a changed password, a reset one and a disabled account end sessions and refresh tokens', async () => {
  await using directory = await makeTestDirectory()
  const { id } = await makeAlice(directory)
  await directory.metadata.write(signIn, id)
  assert.deepEqual(await signedIn(directory), ['personal', 'refresh', 'session'])
  await changeOwnPassword(directory, { id, currentPassword: old, password: next }, testWho)
  assert.deepEqual(await signedIn(directory), ['personal'])
})

test('disabling ends sessions and refresh tokens', async () => {
  await using directory = await makeTestDirectory()
  const { id } = await makeAlice(directory)
  await directory.metadata.write(signIn, id)
  await updateUser(directory, { id, expectedVersion: undefined, set: { isDisabled: true } }, administrator)
  assert.deepEqual(await signedIn(directory), ['personal'])
})

test('only administrators reset passwords', async () => {
  await using directory = await makeTestDirectory()
  const { id } = await makeAlice(directory)
  const reset = { id, password: next, expectedVersion: undefined }
  await assert.rejects(resetPassword(directory, reset, holder('user:update', everything)), refusedAs('DENIED'))
  await assert.rejects(resetPassword(directory, { ...reset, expectedVersion: 7 }, administrator), refusedAs('PRECONDITION_FAILED'))
  await assert.rejects(resetPassword(directory, { ...reset, id: id + 1 }, administrator), refusedAs('RESOURCE_UNKNOWN'))
  await resetPassword(directory, reset, administrator)
  assert.ok(await opens(directory, next))
})

test('an account that only a provider opens has no password to change', async () => {
  await using directory = await makeTestDirectory()
  const { id } = await createUser(directory, { name: 'bob', displayName: '', email: '', isAdministrator: false }, administrator)
  await assert.rejects(changeOwnPassword(directory, { id, currentPassword: '', password: next }, testWho), refusedAs('CONFLICT'))
})

test('at the console a password is set and the account enabled, and the log says by whom', async () => {
  await using directory = await makeTestDirectory()
  const { id } = await makeAlice(directory)
  await updateUser(directory, { id, expectedVersion: undefined, set: { isDisabled: true } }, administrator)
  await setPasswordAtConsole(directory, { name: 'alice', password: next })
  assert.ok(await opens(directory, next))
  assert.equal((await readUser(directory, id)).isDisabled, false)
  const event = await directory.metadata.reader
    .selectFrom('events')
    .selectAll()
    .where('action', '=', 'user.password-changed')
    .executeTakeFirstOrThrow()
  assert.equal(event.actor, 'operator')
  assert.doesNotMatch(JSON.stringify(event), /staple|argon2/)
  await assert.rejects(setPasswordAtConsole(directory, { name: 'nobody', password: next }), refusedAs('RESOURCE_UNKNOWN'))
  await assert.rejects(setPasswordAtConsole(directory, { name: 'alice', password: 'short' }), refusedAs('REQUEST_INVALID'))
})
