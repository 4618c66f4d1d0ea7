import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, mock, suite, test } from 'node:test'
import { Secret, TOTP } from 'otpauth'
import { openPeople, password, type People } from '../test/api/people.ts'
import { runAddTotp, runRemove, runRenew } from './factor.ts'
import { login } from './login.ts'
import { runVerb } from './test-verb.ts'

const codeOf = (secret: string, stepsAway = 0) =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + stepsAway * 30_000 })

suite('second factors at the command line', () => {
  let people: People
  let url: string
  let directory: string
  let secret = ''
  let codes: string[] = []
  const rootOnly = () => ({ BERTH_SERVER: url, BERTH_USER: 'root', BERTH_TOKEN: password })
  before(async () => {
    people = await openPeople()
    url = people.rooms.url.replace(/\/$/, '')
    await people.add('alice')
    directory = await mkdtemp(join(tmpdir(), 'berth-factor-'))
  })
  after(async () => {
    await people[Symbol.asyncDispose]()
    await rm(directory, { recursive: true })
  })

  /** Runs the verb's work as a terminal would, with this password and these answers to what is asked. */
  async function asAlice(
    work: (askCode: () => Promise<string | undefined>) => Promise<void>,
    answer: (printed: string) => string | undefined,
  ) {
    const printed: string[] = []
    const mocks = [
      mock.method(console, 'log', (text: string) => void printed.push(text)),
      mock.method(console, 'error', (text: string) => void printed.push(text)),
    ]
    const stdin = Object.getOwnPropertyDescriptor(process, 'stdin')
    const before = process.env['XDG_CONFIG_HOME']
    process.env['XDG_CONFIG_HOME'] = directory
    Object.defineProperty(process, 'stdin', { value: Readable.from([password]), configurable: true })
    try {
      await work(() => Promise.resolve(answer(printed.join('\n'))))
      return printed.join('\n')
    } finally {
      if (before === undefined) Reflect.deleteProperty(process.env, 'XDG_CONFIG_HOME')
      else process.env['XDG_CONFIG_HOME'] = before
      if (stdin !== undefined) Object.defineProperty(process, 'stdin', stdin)
      for (const each of mocks) each.mock.restore()
    }
  }
  const own = () => ({ server: url, username: 'alice', passwordStdin: true, yes: true })

  test('an app is not added without a code, nor with a wrong one, nor with a wrong password', async () => {
    const add = (askCode: () => Promise<string | undefined>) => runAddTotp({ ...own(), name: 'phone' }, askCode)
    await assert.rejects(
      asAlice(add, () => undefined),
      /nobody is there to give the code/,
    )
    await assert.rejects(
      asAlice(add, () => '000000'),
      /the code is wrong or too old/,
    )
    await assert.rejects(
      runVerb(['factor', 'add', 'totp', '--server', url, '-u', 'alice', '--password-stdin'], {}, 'wrong'),
      /name or password is wrong/,
    )
    const { lines } = await runVerb(['factor', 'list', '--user', 'alice', '--json'], rootOnly())
    assert.deepEqual(JSON.parse(lines.join('\n')), { items: [], recoveryCodesLeft: 0 })
  })

  test('an app is added by its secret and a code, and the recovery codes are shown', async () => {
    const printed = await asAlice(
      (askCode) => runAddTotp({ ...own(), name: 'phone' }, askCode),
      (text) => {
        secret = /\n {2}([A-Z2-7]{32})$/m.exec(text)?.[1] ?? ''
        return codeOf(secret, -1)
      },
    )
    assert.match(printed, /otpauth:\/\/totp\//)
    codes = [...printed.matchAll(/^ {2}(\S+-\S+)$/gm)].map(([, code = '']) => code)
    assert.equal(codes.length, 10, printed)
    const { lines } = await runVerb(['factor', 'list', '--user', 'alice'], rootOnly())
    assert.match(lines.join('\n'), /totp +phone .*\n\n10 recovery codes are left/s)
  })

  test('a login says what the server says, and with a code of the app makes a token', async () => {
    const command = ['login', url, '-u', 'alice', '--password-stdin']
    await assert.rejects(runVerb(command, {}, password), /this account has a second factor.*personal access token/)
    await assert.rejects(runVerb(command, {}, 'wrong'), /name or password of alice is wrong/)
    const flags = { username: 'alice', passwordStdin: true }
    await assert.rejects(
      asAlice(
        (askCode) => login(url, flags, askCode),
        () => '000000',
      ),
      /not the second factor/,
    )
    assert.match(
      await asAlice(
        (askCode) => login(url, flags, askCode),
        () => codeOf(secret),
      ),
      /logged in to .* as alice/,
    )
    const stored = await readFile(join(directory, 'berth', 'credentials.json'), 'utf8')
    assert.match(stored, /berth_pat_/)
    assert.ok(!stored.includes(password))
    const { lines } = await runVerb(['factor', 'list'], { XDG_CONFIG_HOME: directory })
    assert.match(lines.join('\n'), /phone/)
  })

  test('recovery codes are made anew, and a factor is removed, by a recovery code too', async () => {
    const renewed = await asAlice(
      (askCode) => runRenew(own(), askCode),
      () => codes[0],
    )
    const fresh = [...renewed.matchAll(/^ {2}(\S+-\S+)$/gm)].map(([, code]) => code)
    assert.equal(fresh.length, 10)
    await assert.rejects(
      asAlice(
        (askCode) => runRemove(999, own(), askCode),
        () => codes[1],
      ),
      /not the second factor/,
    )
    await assert.rejects(
      asAlice(
        (askCode) => runRemove(999_999, own(), askCode),
        () => fresh[0],
      ),
      /RESOURCE_UNKNOWN/,
    )
    const { lines } = await runVerb(['factor', 'list', '--user', 'alice', '--json'], rootOnly())
    const { items } = JSON.parse(lines.join('\n')) as { items: { id: number }[] }
    assert.match(
      await asAlice(
        (askCode) => runRemove(items[0]?.id, own(), askCode),
        () => fresh[1],
      ),
      /removed the second factor/,
    )
    assert.equal((await people.root.call('GET', '/users')).body.items?.length, 2)
  })

  test('whose factor it is, and the password, may come from the environment', async () => {
    const environment = { ...rootOnly(), BERTH_USER: 'alice', BERTH_TOKEN: 'a wrong passphrase of alice' }
    await assert.rejects(runVerb(['factor', 'remove', '999999', '-y'], environment), /name or password is wrong|UNAUTHORIZED/)
    await assert.rejects(runVerb(['factor', 'remove', '999999', '-y'], rootOnly()), /RESOURCE_UNKNOWN/)
  })

  test('an administrator removes all of an account, and says whose', async () => {
    await asAlice(
      (askCode) => runAddTotp({ ...own(), name: 'other' }, askCode),
      (text) => codeOf(/\n {2}([A-Z2-7]{32})$/m.exec(text)?.[1] ?? '', -1),
    )
    await assert.rejects(runVerb(['factor', 'remove'], rootOnly()), /say the id of one of yours/)
    await assert.rejects(runVerb(['factor', 'remove', '--user', 'nobody', '-y'], rootOnly()), /there is no account nobody/)
    const { errors } = await runVerb(['factor', 'remove', '--user', 'alice', '-y'], rootOnly())
    assert.deepEqual(errors, ['removed the second factors of alice'])
    const { errors: after } = await runVerb(['login', url, '-u', 'alice', '--password-stdin'], {}, password)
    assert.match(after.join('\n'), /logged in/)
  })
})
