import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RegistryError } from '#oci/errors.ts'
import { RememberedCredentials, type Door } from './remembered-credentials.ts'
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

  for (const isShared of [true, false])
    test(`a check that waits is ${isShared ? 'made for whoever shares it' : 'given up'} when the client that began it has hung up`, async () => {
      const remembered = new RememberedCredentials(makeParts().ports, { maximumRunning: 1 })
      const first = makeCheck()
      const busy = remembered.check(alice, 'hash', first.verify)
      const bob = { name: 'bob', password: 'secret' }
      const network = ''
      const gone = { network, isBesieged: () => false, admit: async () => ({ network, isKnown: false, isGone: () => true }) }
      const begun = remembered.check(bob, 'hash', yes, gone)
      const shared = isShared ? remembered.check(bob, 'hash', yes) : begun
      const settled = Promise.allSettled([begun, shared])
      await new Promise(setImmediate)
      first.settle(true)
      await busy
      for (const outcome of await settled) assert.equal(outcome.status, isShared ? 'fulfilled' : 'rejected')
    })

  /** A place that has to wait, or is besieged. */
  function doorOf(network: string, { waits = false, isBesieged = false }: { waits?: boolean; isBesieged?: boolean } = {}): Door {
    const admit = async () => {
      if (waits) throw new RegistryError('TOOMANYREQUESTS')
      return { network, isKnown: false }
    }
    return { network, isBesieged: () => isBesieged, admit }
  }

  test('let in from where they were checked; elsewhere only who does not have to wait', async () => {
    const remembered = new RememberedCredentials(makeParts().ports)
    const never = () => assert.fail('checked again')
    assert.ok(await remembered.check(alice, 'hash', yes, doorOf('192.0.2.1')))
    assert.ok(await remembered.check(alice, 'hash', never, doorOf('192.0.2.1', { waits: true })), 'as before')
    await assert.rejects(remembered.check(alice, 'hash', never, doorOf('192.0.2.9', { waits: true })), { code: 'TOOMANYREQUESTS' })
    assert.ok(await remembered.check(alice, 'hash', never, doorOf('192.0.2.9')))
    assert.ok(await remembered.check(alice, 'hash', never, doorOf('192.0.2.9', { waits: true })), 'let in there by now')
  })

  test('let nobody in who has to wait where many were refused', async () => {
    const remembered = new RememberedCredentials(makeParts().ports)
    assert.ok(await remembered.check(alice, 'hash', yes, doorOf('192.0.2.1')))
    const besieged = doorOf('192.0.2.1', { waits: true, isBesieged: true })
    await assert.rejects(remembered.check(alice, 'hash', yes, besieged), { code: 'TOOMANYREQUESTS' })
  })

  test('a check under way is not shared with who has to wait elsewhere', async () => {
    const remembered = new RememberedCredentials(makeParts().ports)
    const check = makeCheck()
    const own = remembered.check(alice, 'hash', check.verify, doorOf('192.0.2.1'))
    const guess = remembered.check(alice, 'hash', check.verify, doorOf('192.0.2.9', { waits: true }))
    await assert.rejects(guess, { code: 'TOOMANYREQUESTS' })
    check.settle(true)
    assert.ok(await own)
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
    const remembered = new RememberedCredentials(makeParts().ports, { maximumRunning: 2 })
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

  /** How long the turn rests after a check that takes so long and comes out so. */
  async function restAfter(tookMs: number, isValid: boolean, maximumRunning?: number): Promise<readonly number[]> {
    const parts = makeParts()
    const rests: number[] = []
    const after: typeof parts.ports.timers.after = (delayMs) => {
      rests.push(delayMs)
      return { [Symbol.dispose]: () => undefined }
    }
    const remembered = new RememberedCredentials({ ...parts.ports, timers: { ...parts.ports.timers, after } }, { maximumRunning })
    const verify = () => {
      parts.advance(tookMs)
      return Promise.resolve(isValid)
    }
    await remembered.check(alice, 'hash', verify)
    return rests
  }

  test('rest after a hash that found a wrong password, twenty-four times as long, a second at most', async () => {
    assert.deepEqual(await restAfter(40, false), [960])
    assert.deepEqual(await restAfter(2_000, false), [1_000])
    assert.deepEqual(await restAfter(40, true), [])
    assert.deepEqual(await restAfter(40, false, 16), [], 'a directory that is asked takes no core')
  })

  test('rest after what a wrong password would have cost elsewhere', async () => {
    const parts = makeParts()
    const rests: number[] = []
    const after: typeof parts.ports.timers.after = (delayMs) => {
      rests.push(delayMs)
      return { [Symbol.dispose]: () => undefined }
    }
    const remembered = new RememberedCredentials({ ...parts.ports, timers: { ...parts.ports.timers, after } })
    await remembered.spendInTurn({ network: '192.0.2.1', isKnown: false }, () => Promise.resolve(parts.advance(20)))
    assert.deepEqual(rests, [480])
  })
})

test('while the database is away a password that was verified goes on past its minute, and no other does', async () => {
  const parts = makeParts()
  const callbacks = new Set<() => void>()
  const away = {
    isAway: false,
    onAway: (callback: () => void) => {
      callbacks.add(callback)
      return { [Symbol.dispose]: () => void callbacks.delete(callback) }
    },
  }
  const remembered = new RememberedCredentials(parts.ports, { away, maximumRunning: 4 })
  const never = () => new Promise<boolean>(() => undefined)
  assert.ok(await remembered.check(alice, 'hash', async () => true))
  parts.advance(120_000)
  const checking = remembered.check(alice, 'hash', never)
  away.isAway = true
  for (const callback of callbacks) callback()
  assert.ok(await checking, 'who waits for a check when it goes away')
  assert.ok(await remembered.check(alice, 'hash', never), 'and who comes then')
  assert.ok(!(await remembered.check({ ...alice, password: 'another' }, 'hash', async () => false)))
  assert.ok(!(await remembered.check(alice, 'another hash', async () => false)))
})
