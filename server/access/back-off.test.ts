import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { makeTestDirectory, openTestDatabase } from '#metadata/test-database.ts'
import { RegistryError } from '#oci/errors.ts'
import { BackOff } from './back-off.ts'
import { hashPassword } from './password.ts'
import { from, openTestAccess } from './test-access.ts'
import { basic, makeParts, type TestParts } from './test-parts.ts'
import type { Metadata } from '#metadata/metadata.ts'

const wrong = () => Promise.resolve<boolean>(false)
const right = () => Promise.resolve<boolean>(true)

interface Opened extends AsyncDisposable {
  readonly backOff: BackOff
  readonly metadata: Metadata
  readonly parts: TestParts
  /** `'wrong'`, `'right'`, or the seconds to wait. */
  readonly attempt: (name: string, address: string, check?: () => Promise<boolean>) => Promise<string | number>
}

async function open(file = ':memory:', parts = makeParts()): Promise<Opened> {
  const metadata = await openTestDatabase(file)
  const backOff = new BackOff(metadata, parts.ports.clock)
  return {
    backOff,
    metadata,
    parts,
    async attempt(name, address, check = wrong) {
      try {
        return (await backOff.judge({ name, address }, check)) ? 'right' : 'wrong'
      } catch (error) {
        assert.ok(error instanceof RegistryError && error.code === 'TOOMANYREQUESTS')
        return error.retryAfterSeconds ?? 0
      }
    },
    [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose](),
  }
}

async function fail({ attempt }: Opened, times: number, name: string, address: string): Promise<void> {
  for (let index = 0; index < times; index++) assert.equal(await attempt(name, address), 'wrong')
}

suite('wrong passwords', () => {
  test('are free five times, then cost a second, two, four, up to a quarter of an hour', async () => {
    await using opened = await open()
    const { attempt, parts } = opened
    await fail(opened, 5, 'alice', '192.0.2.1')
    for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
      assert.equal(await attempt('alice', '192.0.2.1'), seconds)
      parts.advance(seconds * 1000 - 1)
      assert.equal(await attempt('alice', '192.0.2.1'), 1, 'nothing was counted while waiting')
      parts.advance(1)
      assert.equal(await attempt('alice', '192.0.2.1'), 'wrong')
    }
  })

  test('are not checked while one has to wait', async () => {
    await using opened = await open()
    await fail(opened, 5, 'alice', '192.0.2.1')
    const check = () => assert.fail('checked')
    assert.equal(await opened.attempt('alice', '192.0.2.1', check), 1)
  })

  test('hold up neither another account nor the same account where it is known', async () => {
    await using opened = await open()
    const { attempt, parts } = opened
    assert.equal(await attempt('alice', '198.51.100.1', right), 'right')
    await fail(opened, 5, 'alice', '192.0.2.1')
    assert.equal(await attempt('alice', '198.51.100.1', right), 'right', 'an address from where it was opened')
    assert.equal(await attempt('bob', '192.0.2.1', right), 'right', 'another account')
    assert.equal(await attempt('alice', '203.0.113.1'), 1, 'an address that nobody has seen')
    parts.advance(1000)
    assert.equal(await attempt('alice', '203.0.113.1', right), 'right')
  })

  test('of many addresses together make the account wait for strangers', async () => {
    await using opened = await open()
    for (let index = 0; index < 5; index++) await fail(opened, 1, 'alice', `203.0.113.${index}`)
    assert.equal(await opened.attempt('alice', '203.0.113.99'), 1)
    assert.equal(await opened.attempt('bob', '203.0.113.99'), 'wrong')
  })

  test('of one address at many accounts make the address wait, after fifty', async () => {
    await using opened = await open()
    for (let index = 0; index < 50; index++) await fail(opened, 1, `user${index}`, '192.0.2.1')
    assert.equal(await opened.attempt('another', '192.0.2.1', right), 1)
    assert.equal(await opened.attempt('another', '192.0.2.2', right), 'right')
  })

  test('of a /64 of IPv6 are of one address; a unix socket has none', async () => {
    await using opened = await open()
    for (let index = 0; index < 5; index++) await fail(opened, 1, 'alice', `2001:db8::${index + 1}`)
    assert.equal(await opened.attempt('alice', '2001:db8::ffff'), 1)
    for (let index = 0; index < 60; index++) await fail(opened, 1, `user${index}`, '')
  })

  test('are taken back by the right one: of this address, and nobody else’s', async () => {
    await using opened = await open()
    const { attempt } = opened
    await fail(opened, 4, 'alice', '192.0.2.1')
    assert.equal(await attempt('alice', '192.0.2.1', right), 'right')
    await fail(opened, 4, 'alice', '192.0.2.1')
    assert.equal(await attempt('alice', '203.0.113.1', right), 'right', 'the account has four, not eight')
    await fail(opened, 1, 'alice', '203.0.113.2')
    assert.equal(await attempt('alice', '203.0.113.3'), 1, 'and now five')
  })

  test('are forgotten after an hour of peace', async () => {
    await using opened = await open()
    await fail(opened, 5, 'alice', '192.0.2.1')
    opened.parts.advance(3_600_001)
    await fail(opened, 5, 'alice', '192.0.2.1')
  })

  test('count over processes and restarts', async () => {
    await using directory = await makeTestDirectory()
    const parts = makeParts()
    await using one = await open(directory.file, parts)
    await using other = await open(directory.file, parts)
    await fail(one, 3, 'alice', '192.0.2.1')
    await fail(other, 2, 'alice', '192.0.2.1')
    assert.equal(await one.attempt('alice', '192.0.2.1'), 1)
    parts.advance(1000)
    assert.equal(await other.attempt('alice', '192.0.2.1', right), 'right')
    await fail(one, 5, 'alice', '203.0.113.1')
    await using third = await open(directory.file, parts)
    assert.equal(await third.attempt('alice', '192.0.2.1', right), 'right', 'a known address is known to a process that begins')
  })

  test('leave an account known where it was opened, to processes that begin later too', async () => {
    await using directory = await makeTestDirectory()
    const parts = makeParts()
    await using one = await open(directory.file, parts)
    assert.equal(await one.attempt('alice', '192.0.2.1', right), 'right')
    await fail(one, 5, 'alice', '203.0.113.1')
    await using other = await open(directory.file, parts)
    assert.equal(await other.attempt('alice', '192.0.2.1', right), 'right')
    assert.equal(await other.attempt('alice', '192.0.2.2', right), 1, 'a stranger waits')
  })

  test('leave one row behind where nothing was wrong, written once a day, and bounded names', async () => {
    await using opened = await open()
    const { parts } = opened
    const rows = () => opened.metadata.reader.selectFrom('login_failures').select(['subject', 'last_at', 'failures']).execute()
    const first = { subject: 'pair:192.0.2.1 alice', last_at: parts.ports.clock.now(), failures: 0 }
    assert.equal(await opened.attempt('alice', '192.0.2.1', right), 'right')
    assert.deepEqual(await rows(), [first])
    parts.advance(23 * 60 * 60_000)
    assert.equal(await opened.attempt('alice', '192.0.2.1', right), 'right')
    assert.deepEqual(await rows(), [first])
    parts.advance(60 * 60_000)
    assert.equal(await opened.attempt('alice', '192.0.2.1', right), 'right')
    assert.deepEqual(await rows(), [{ ...first, last_at: parts.ports.clock.now() }])
    await fail(opened, 1, 'x'.repeat(5000), '192.0.2.1')
    assert.ok((await rows()).every(({ subject }) => subject.length < 200))
  })

  test('that could not be judged are not counted', async () => {
    await using opened = await open()
    const away = () => Promise.reject(new RegistryError('UNAVAILABLE'))
    for (let index = 0; index < 10; index++) {
      await assert.rejects(opened.backOff.judge({ name: 'alice', address: '192.0.2.1' }, away), { code: 'UNAVAILABLE' })
    }
    assert.equal(await opened.attempt('alice', '192.0.2.1'), 'wrong')
  })

  test('are checked for one address four at a time for one account', async () => {
    await using opened = await open()
    const gate = Promise.withResolvers<boolean>()
    const running = Array.from({ length: 4 }, () => opened.attempt('alice', '192.0.2.1', () => gate.promise))
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(await opened.attempt('alice', '192.0.2.1', right), 1)
    assert.equal(await opened.attempt('alice', '192.0.2.2', right), 'right')
    gate.resolve(false)
    assert.deepEqual(await Promise.all(running), ['wrong', 'wrong', 'wrong', 'wrong'])
  })
})

test('a remembered password goes on while somebody floods the account from elsewhere, and from the same address', async () => {
  await using opened = await openTestAccess()
  const { access, rows, parts } = opened
  await rows.user('alice', { password_hash: await hashPassword('secret', parts.ports.random) })
  const good = from(basic('alice', 'secret'), { address: '198.51.100.1' })
  await access.authenticate(good)
  const outcomes = new Set<string>()
  for (const address of ['192.0.2.1', '198.51.100.1']) {
    for (let index = 0; index < 8; index++) {
      await access
        .authenticate(from(basic('alice', `wrong${index}`), { address }))
        .catch((error: RegistryError) => outcomes.add(error.code))
    }
  }
  assert.deepEqual([...outcomes].toSorted(), ['TOOMANYREQUESTS', 'UNAUTHORIZED'])
  assert.equal((await access.authenticate(good)).name, 'alice')
  const guess = access.authenticate(from(basic('alice', 'secret'), { address: '192.0.2.1' }))
  await assert.rejects(guess, { code: 'TOOMANYREQUESTS' }, 'who has to wait is not told by memory which guess is right')
})

test('a remembered password shows nobody which guess is right who goes on guessing at its own address', async () => {
  await using opened = await openTestAccess()
  const { access, rows, parts } = opened
  await rows.user('alice', { password_hash: await hashPassword('secret', parts.ports.random) })
  const awaited = { hurry: () => AbortSignal.abort('gone'), closeAfter: () => undefined, isGone: () => false }
  const ask = (password: string) =>
    access
      .authenticate(from(basic('alice', password), { awaited }))
      .then(() => 'in')
      .catch(({ code }: RegistryError) => code)
  assert.equal(await ask('secret'), 'in')
  for (let index = 0; index < 15; index++) await ask(`wrong ${index}`)
  assert.equal(await ask('secret'), 'in', 'a few typing errors of a neighbour keep nobody out')
  for (let index = 15; index < 30; index++) await ask(`wrong ${index}`)
  assert.equal(await ask('secret'), 'TOOMANYREQUESTS')
  parts.advance(2000)
  assert.equal(await ask('secret'), 'in')
})

test('who is to wait and goes on all the same costs no read, for a second', async () => {
  await using opened = await openTestAccess()
  const { access, rows, parts, reads } = opened
  await rows.user('alice', { password_hash: await hashPassword('secret', parts.ports.random) })
  const gone = AbortSignal.abort('gone')
  // Nobody waits for these answers, so none is held.
  const awaited = { hurry: () => gone, closeAfter: () => undefined, isGone: () => false }
  const guess = (number: number) =>
    access
      .authenticate(from(basic('alice', `wrong ${number}`), { awaited }))
      .then(() => 'in')
      .catch(({ code }: RegistryError) => code)
  for (let number = 0; number < 6; number++) await guess(number)
  const before = reads()
  for (let number = 6; number < 20; number++) assert.equal(await guess(number), 'TOOMANYREQUESTS')
  assert.equal(reads(), before)
  parts.advance(1000)
  assert.equal(await guess(20), 'UNAUTHORIZED', 'and its time is over')
})
