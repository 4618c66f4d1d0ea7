import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RegistryError } from '#oci/errors.ts'
import { RememberedCredentials } from './remembered-credentials.ts'
import { makeParts } from './test-parts.ts'

const alice = { name: 'alice', password: 'secret' }

/** A check that counts its calls and is settled by hand. */
function makeCheck() {
  const pending: ((isValid: boolean) => void)[] = []
  let calls = 0
  const verify = () => {
    calls += 1
    const { promise, resolve } = Promise.withResolvers<boolean>()
    pending.push(resolve)
    return promise
  }
  return { verify, settle: (isValid: boolean) => pending.shift()?.(isValid), calls: () => calls, pending }
}

const yes = async () => true

suite('remembered credentials', () => {
  test('spare the second check for a minute, and no longer', async () => {
    const parts = makeParts()
    const remembered = new RememberedCredentials(parts.ports)
    let calls = 0
    const verify = async () => (calls += 1) > 0
    assert.equal(await remembered.check(alice, 'hash', verify), true)
    parts.advance(59_999)
    assert.equal(await remembered.check(alice, 'hash', verify), true)
    assert.equal(calls, 1)
    parts.advance(1)
    assert.equal(await remembered.check(alice, 'hash', verify), true)
    assert.equal(calls, 2)
  })

  test('are another password’s, another name’s and another hash’s own', async () => {
    const remembered = new RememberedCredentials(makeParts().ports)
    await remembered.check(alice, 'hash', yes)
    const no = async () => false
    assert.equal(await remembered.check({ name: 'alice', password: 'other' }, 'hash', no), false)
    assert.equal(await remembered.check({ name: 'bob', password: 'secret' }, 'hash', no), false)
    assert.equal(await remembered.check(alice, 'changed', no), false)
    assert.equal(await remembered.check({ name: 'alices', password: 'ecret' }, 'hash', no), false)
  })

  test('do not hold a wrong password', async () => {
    const remembered = new RememberedCredentials(makeParts().ports)
    assert.equal(await remembered.check(alice, 'hash', async () => false), false)
    assert.equal(await remembered.check(alice, 'hash', yes), true)
  })

  test('a hundred equal checks at once cost one', async () => {
    const remembered = new RememberedCredentials(makeParts().ports)
    const check = makeCheck()
    const checks = Array.from({ length: 100 }, () => remembered.check(alice, 'hash', check.verify))
    await new Promise(setImmediate)
    check.settle(true)
    assert.deepEqual(new Set(await Promise.all(checks)), new Set([true]))
    assert.equal(check.calls(), 1)
  })

  test('two run at once, a hundred wait, and more are told to come again', async () => {
    const remembered = new RememberedCredentials(makeParts().ports, 2)
    const check = makeCheck()
    const ask = (index: number) => remembered.check({ name: 'alice', password: `guess ${index}` }, 'hash', check.verify)
    const checks = Array.from({ length: 102 }, (_, index) => ask(index))
    await assert.rejects(
      ask(102),
      (error: unknown) => error instanceof RegistryError && error.code === 'TOOMANYREQUESTS' && error.retryAfterSeconds === 2,
    )
    assert.equal(check.calls(), 2)
    while (check.calls() < 102 || check.pending.length > 0) {
      assert.ok(check.pending.length <= 2)
      check.settle(false)
      await new Promise(setImmediate)
    }
    assert.ok((await Promise.all(checks)).every((isValid) => !isValid))
    assert.equal(await remembered.check(alice, 'hash', yes), true)
  })

  test('a check that throws frees its place and is tried anew', async () => {
    const remembered = new RememberedCredentials(makeParts().ports)
    const broken = async () => {
      throw new Error('broken')
    }
    for (let attempt = 0; attempt < 5; attempt += 1) await assert.rejects(remembered.check(alice, 'hash', broken), /broken/)
    assert.equal(await remembered.check(alice, 'hash', yes), true)
  })

  test('are ten thousand at most', async () => {
    const remembered = new RememberedCredentials(makeParts().ports)
    await remembered.check(alice, 'hash', yes)
    for (let index = 0; index < 10_000; index += 1) await remembered.check({ name: `user ${index}`, password: 'x' }, 'hash', yes)
    assert.equal(await remembered.check(alice, 'hash', async () => false), false)
    assert.equal(await remembered.check({ name: 'user 1', password: 'x' }, 'hash', async () => false), true)
  })
})
