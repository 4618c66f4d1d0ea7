import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requireGoodPassword } from './password-rules.ts'
import { worstPasswords } from './worst-passwords.ts'

test('a password is accepted by its length, without rules about kinds of characters', () => {
  for (const good of [
    'correct horse battery',
    'kzvqmwpx',
    'пароль-длинный',
    'a1b2c3d4e5f6',
    '  spaces  count  ',
    'x'.repeat(3) + 'yzab'.repeat(3),
  ]) {
    assert.doesNotThrow(() => requireGoodPassword(good, { name: 'alice' }), good)
  }
})

test('short, empty, oversized, monotonous and guessed passwords are refused, in a sentence', () => {
  const bad = [
    '',
    '1234567',
    'password',
    'PassWord',
    'Password1',
    'sunshine24!',
    'Superman!!',
    'aaaaaaaaaaaaaaaa',
    'abababababab',
    'x'.repeat(1025),
    '€'.repeat(342),
  ]
  for (const password of bad) {
    assert.throws(
      () => requireGoodPassword(password, { name: 'alice' }),
      { code: 'REQUEST_INVALID', message: /^the password (?:has|is)/ },
      password,
    )
  }
})

test('the name of the account is no password for it', () => {
  assert.throws(() => requireGoodPassword('Alice.Liddell', { name: 'alice.liddell' }), { code: 'REQUEST_INVALID' })
  assert.doesNotThrow(() => requireGoodPassword('alice.liddell', { name: 'bob' }))
})

test('the name or the address of the account is no password for it, however often it is said', () => {
  const owner = { name: 'alice', email: 'alice@example.com' }
  for (const password of [
    'alicealice',
    'ALICEalice',
    'alice-alice-alice',
    'alice.alice!',
    'alice@example.com',
    'Alice@Example.com Alice@Example.com',
  ])
    assert.throws(
      () => requireGoodPassword(password, owner),
      { code: 'REQUEST_INVALID', message: /of the account, once or repeated/ },
      password,
    )
  for (const password of ['alicealices', 'malicealice', 'alice at example', '!?!?-#+~*_=()'])
    assert.doesNotThrow(() => requireGoodPassword(password, owner), password)
  assert.doesNotThrow(() => requireGoodPassword('alicealice', { name: 'bob', email: '' }))
  assert.throws(() => requireGoodPassword('__--__++@@', { name: '__--__++@@' }))
})

test('a refusal does not repeat the password', () => {
  try {
    requireGoodPassword('trustno1', { name: 'alice' })
    assert.fail()
  } catch (error) {
    assert.doesNotMatch(JSON.stringify(error) + String(error), /trustno1/)
  }
})

test('the list of the worst holds a thousand, all long enough to be refused by nothing else', () => {
  assert.equal(worstPasswords.size, 1000)
  assert.deepEqual(
    [...worstPasswords].filter((word) => word.length < 8 || word !== word.toLowerCase()),
    [],
  )
})
