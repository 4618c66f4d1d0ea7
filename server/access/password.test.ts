import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemPorts } from '#lib/ports.ts'
import { generatePassword, hashPassword, unmatchablePasswordHash, verifyPassword } from './password.ts'

const { random } = systemPorts

suite('a password hash', () => {
  test('fits its password and no other', async () => {
    const hash = await hashPassword('correct horse', random)
    assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    assert.equal(await verifyPassword('correct horse', hash), true)
    assert.equal(await verifyPassword('Correct horse', hash), false)
    assert.equal(await verifyPassword('', hash), false)
  })

  test('has a salt of its own', async () => {
    assert.notEqual(await hashPassword('same', random), await hashPassword('same', random))
  })

  test('of other parameters is checked with those', async () => {
    // The argon2 reference program: echo -n password | argon2 somesalt -id -t 2 -k 64 -p 1 -l 24
    const hash = '$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh'
    assert.equal(await verifyPassword('password', hash), false)
    const known = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
    assert.equal(await verifyPassword('password', known), true)
  })

  const malformed = [
    '',
    'plain',
    '$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    '$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    '$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    '$argon2id$v=19$m=65536,t=999,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    '$argon2id$v=19$m=65536,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$',
    '$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234',
  ]
  for (const hash of malformed) {
    test(`that reads ${hash === '' ? 'nothing' : hash.slice(0, 40)} fits no password`, async () =>
      assert.equal(await verifyPassword('password', hash), false))
  }

  test('that stands in for a missing account fits no password', async () => {
    assert.equal(await verifyPassword('password', unmatchablePasswordHash(random)), false)
  })
})

test('a generated password is 24 letters and digits, and never the same', () => {
  const passwords = Array.from({ length: 200 }, () => generatePassword(random))
  for (const password of passwords) assert.match(password, /^[a-km-np-z2-9]{24}$/)
  assert.equal(new Set(passwords).size, passwords.length)
})
