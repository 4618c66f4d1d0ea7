import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTestDirectory, openTestDatabase } from './test-database.ts'
import { addFirstAdministrator, addUser, changePassword } from './test-transactions.ts'
import { findUser, hasUsers } from './users.ts'

test('of two processes that both make the first administrator, one does', async () => {
  await using directory = await makeTestDirectory()
  await using one = await openTestDatabase(directory.file)
  await using other = await openTestDatabase(directory.file)
  const results = await Promise.all([one.write(addFirstAdministrator, 'admin'), other.write(addFirstAdministrator, 'root')])
  assert.equal(results.filter((result) => result === 'exists').length, 1)
  const users = await one.reader.selectFrom('users').select(['name', 'is_admin']).execute()
  assert.equal(users.length, 1)
  assert.equal(users[0]?.is_admin, 1)
})

test('there is no first administrator where there is an account', async () => {
  await using metadata = await openTestDatabase(':memory:')
  assert.equal(await hasUsers(metadata.reader), false)
  assert.equal(typeof (await metadata.write(addUser, 'someone')), 'number')
  assert.equal(await metadata.write(addFirstAdministrator, 'admin'), 'exists')
  assert.equal(await hasUsers(metadata.reader), true)
})

test('an account is found by its exact name, and a name is given once', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await metadata.write(addUser, 'someone')
  assert.equal(await metadata.write(addUser, 'someone'), 'exists')
  assert.equal((await findUser(metadata.reader, 'someone'))?.isAdmin, false)
  assert.equal(await findUser(metadata.reader, 'Someone'), undefined)
})

test('a password changes for an account that is there', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await metadata.write(addUser, 'someone')
  assert.equal(await metadata.write(changePassword, { name: 'someone', passwordHash: '$argon2id$other' }), true)
  assert.equal((await findUser(metadata.reader, 'someone'))?.passwordHash, '$argon2id$other')
  assert.equal(await metadata.write(changePassword, { name: 'nobody', passwordHash: 'x' }), false)
})
