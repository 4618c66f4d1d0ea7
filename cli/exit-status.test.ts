import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, before, suite, test } from 'node:test'
import { RegistryError, type ErrorCode } from '#oci/errors.ts'
import { readOnlyRefusal } from '#oci/read-only.ts'
import { json, withAnswers } from './test-answers.ts'
import { startProcess, type Ended } from './test-process.ts'
import { runVerb } from './test-verb.ts'
import { NothingThere } from './command-failure.ts'
import { describeFailure } from './failure.ts'
import { exitStatusOf, failureAsJson } from './exit-status.ts'

suite('a failure, to a script:', () => {
  let directory = ''
  before(async () => {
    directory = await mkdtemp(`${tmpdir()}/berth-status-`)
  })
  after(() => rm(directory, { recursive: true }))

  const run = async (args: readonly string[]): Promise<Ended> => {
    await using berth = startProcess(args, { cwd: directory, env: { XDG_CONFIG_HOME: directory } })
    return await berth.ended
  }
  const refused = async (status: number, code: string, args: readonly string[] = []): Promise<Ended> => {
    const problem = { status, code, title: 'no', detail: 'it is so', requestId: 'r1', errors: [], facts: { name: 'team' } }
    let ended: Ended | undefined
    await withAnswers(
      (_, response) => json(response, problem, status),
      async (url) => {
        ended = await run(['project', 'show', 'team', '--server', url, ...args])
      },
    )
    return ended ?? assert.fail('it did not end')
  }

  for (const [status, code, expected] of [
    [401, 'UNAUTHORIZED', 3],
    [403, 'DENIED', 3],
    [404, 'RESOURCE_UNKNOWN', 4],
    [409, 'CONFLICT', 5],
    [412, 'PRECONDITION_FAILED', 5],
    [429, 'TOOMANYREQUESTS', 6],
    [503, 'UNAVAILABLE', 6],
    [400, 'REQUEST_INVALID', 2],
    [500, 'UNKNOWN', 1],
  ] as const)
    test(`${code} ends with status ${expected}`, async () => {
      const { code: ended, stderr } = await refused(status, code)
      assert.equal(ended, expected)
      assert.match(stderr, /^berth: .*it is so[^\n]*\n$/)
    })

  test('read-only mode ends with status 6, and what is switched off for good with 1', async () => {
    const problem = { status: 405, code: 'UNSUPPORTED', title: 'no', detail: 'it is so', requestId: 'r1', errors: [] }
    for (const [more, expected] of [
      [{ facts: { isReadOnly: true } }, 6],
      [{ facts: { isReadOnly: 'yes' } }, 1],
      [{}, 1],
    ] as const)
      await withAnswers(
        (_, response) => json(response, { ...problem, ...more }, 405),
        async (url) => assert.equal((await run(['project', 'show', 'team', '--server', url])).code, expected),
      )
    assert.deepEqual([exitStatusOf(readOnlyRefusal()), exitStatusOf(new RegistryError('UNSUPPORTED'))], [6, 1])
  })

  test('what is no permission, no role of a token, and no secret on standard input end with status 2', async () => {
    for (const words of [
      ['role', 'create', 'x', '--permission', 'foo:bar'],
      ['token', 'create', 'x', '--permission', 'foo:bar'],
      ['user', 'create', 'x', '--password-stdin'],
    ]) {
      const { code, stderr } = await run([...words, '--server', 'http://127.0.0.1:1'])
      assert.equal(code, 2, `${words.join(' ')}: ${stderr}`)
    }
    await withAnswers(
      (_, response) => json(response, { items: [], next: null }),
      async (url) => {
        const { code, stderr } = await run(['token', 'create', 'x', '--role', 'nope', '--server', url])
        assert.deepEqual([code, /there is no role nope/.test(stderr)], [2, true], stderr)
      },
    )
  })

  test('with --json is a line of JSON on standard error, and nothing on standard output', async () => {
    const { stdout, stderr } = await refused(409, 'CONFLICT', ['--json'])
    assert.equal(stdout, '')
    const { message, ...rest } = JSON.parse(stderr) as Record<string, unknown>
    assert.match(String(message), /it is so/)
    assert.deepEqual(rest, { code: 'CONFLICT', status: 409, detail: 'it is so', requestId: 'r1', facts: { name: 'team' }, exitStatus: 5 })
  })

  test('on data ends with the same status as on a server, and an argument that is no number is told', async () => {
    const wrap = (code: ErrorCode) => new Error('team/app', { cause: new RegistryError(code) })
    assert.deepEqual([exitStatusOf(wrap('NAME_UNKNOWN')), exitStatusOf(new RegistryError('CONFLICT'))], [4, 5])
    for (const words of [['abc'], ['1.5'], ['1', '2x']]) {
      const { code, stderr } = await run(['trash', 'delete', ...words, '--yes', '--server', 'http://127.0.0.1:1'])
      assert.deepEqual([code, /whole number/.test(stderr)], [2, true], stderr)
    }
  })

  test('of what wants confirming where nobody is there ends with status 2, and so does what the verb itself finds malformed', async () => {
    const { code, stderr } = await run(['trash', 'delete', '1', '--server', 'http://127.0.0.1:1'])
    assert.deepEqual([code, /add --yes/.test(stderr)], [2, true], stderr)
    const asJson = await run(['trash', 'list', '--kind', 'moon', '--server', 'http://127.0.0.1:1', '--json'])
    assert.equal(asJson.code, 2)
    assert.deepEqual([(JSON.parse(asJson.stderr) as { code: string }).code], ['USAGE'])
  })

  test('of the command line ends with status 2, as JSON too', async () => {
    const wrong = await run(['project', 'show'])
    assert.deepEqual([wrong.code, wrong.stdout], [2, ''])
    assert.match(wrong.stderr, /missing required argument/)
    const asJson = await run(['project', 'show', '--jsn', 'x', '--json'])
    assert.equal(asJson.code, 2)
    const told = JSON.parse(asJson.stderr) as Record<string, unknown>
    assert.equal(told['code'], 'USAGE')
    assert.match(String(told['message']), /^unknown option/)
  })

  test('to reach the server ends with status 6', async () => {
    const { code, stderr } = await run(['project', 'show', 'team', '--server', 'http://127.0.0.1:9', '--json'])
    assert.deepEqual([code, (JSON.parse(stderr) as Record<string, unknown>)['code']], [6, 'UNAVAILABLE'])
  })

  test('of a login with a wrong password, and to say who one is without a login, ends with status 3', async () => {
    const problem = { status: 401, code: 'UNAUTHORIZED', title: 'authentication required', requestId: 'r1', errors: [] }
    const anonymous = { state: 'anonymous', credential: 'none', permissions: [], providers: [], secondFactors: [] }
    await withAnswers(
      ({ headers }, response) => (headers.authorization === undefined ? json(response, anonymous) : json(response, problem, 401)),
      async (url) => {
        const failure = await runVerb(['login', url, '-u', 'alice', '--password-stdin'], {}, 'wrong').catch((error: unknown) => error)
        assert.deepEqual([exitStatusOf(failure), describeFailure(failure)], [3, 'berth: name or password of alice is wrong'])
        const whoami = await run(['whoami', '--server', url])
        assert.deepEqual([whoami.code, /not logged in/.test(whoami.stderr)], [3, true], whoami.stderr)
        assert.equal((await run(['whoami'])).code, 3)
      },
    )
  })

  test('of a name that a list does not have ends with status 4', () => {
    assert.equal(exitStatusOf(new NothingThere('there is no account dave')), 4)
    assert.match(
      failureAsJson(new NothingThere('there is no account dave')),
      /^\{"code":"UNKNOWN","message":"there is no account dave","exitStatus":4\}$/,
    )
  })

  test('what was asked for is none: help and the version end with status 0', async () => {
    for (const args of [['--help'], ['--version'], ['project', '--help'], ['help', 'project']]) {
      const { code, stderr } = await run(args)
      assert.deepEqual([code, stderr], [0, ''], args.join(' '))
    }
  })
})
