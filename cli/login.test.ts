import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { openPeople, password, type People, type Person } from '../test/api/people.ts'
import { pushImage } from '../test/support/registry-client.ts'
import { startUpload } from '../test/support/upload.ts'
import type { StoredLogins } from './credential-store.ts'
import { exitStatusOf } from './exit-status.ts'
import { runVerb } from './test-verb.ts'

suite('verbs against a server', () => {
  let people: People
  let alice: Person
  let url: string
  let directory: string
  let environment: Readonly<Record<string, string>>
  const berth = (...args: string[]) => runVerb(args, environment)
  const stored = async () => JSON.parse(await readFile(join(directory, 'berth', 'credentials.json'), 'utf8')) as StoredLogins
  const tokens = async () => (await alice.call('GET', '/tokens')).body.items ?? []
  before(async () => {
    people = await openPeople()
    url = people.rooms.url.replace(/\/$/, '')
    assert.equal((await people.root.call('POST', '/projects', { name: 'team' })).status, 201)
    alice = await people.add('alice')
    await people.grant(alice, 'maintainer', 'team')
    directory = await mkdtemp(join(tmpdir(), 'berth-login-'))
    environment = { XDG_CONFIG_HOME: directory }
  })
  after(async () => {
    await people[Symbol.asyncDispose]()
    await rm(directory, { recursive: true })
  })

  test('a login makes a token for this machine, and keeps that and no password', async () => {
    const { lines, errors } = await runVerb(['login', url, '-u', 'alice', '--password-stdin'], environment, `${password}\n`)
    assert.deepEqual(lines, [])
    assert.deepEqual(errors, [`logged in to ${url} as alice`])
    const { servers, default: standard } = await stored()
    assert.equal(standard, url)
    assert.match(servers[url]?.token ?? '', /^berth_pat_/)
    assert.equal(JSON.stringify(servers).includes(password), false)
    const [made] = await tokens()
    assert.equal(made?.['id'], servers[url]?.tokenId)
    assert.match(String(made?.['name']), /^berth-cli@./)
    const who = await berth('whoami')
    assert.ok(
      who.lines.some((line) => /^Name: +alice$/.test(line)),
      who.lines.join('\n'),
    )
    const answer = JSON.parse((await berth('whoami', '--json')).lines.join('\n')) as { credential: string }
    assert.equal(answer.credential, 'personal')
  })

  test('a second login takes the place of the first, whose token ends', async () => {
    const first = (await stored()).servers[url]?.tokenId
    await runVerb(['login', url, '-u', 'alice', '--password-stdin'], environment, password)
    const second = (await stored()).servers[url]?.tokenId
    assert.notEqual(second, first)
    assert.deepEqual(
      (await tokens()).map(({ id }) => id),
      [second],
    )
  })

  test('a wrong password keeps nothing', async () => {
    const kept = await stored()
    await assert.rejects(
      runVerb(['login', url, '-u', 'alice', '--password-stdin'], environment, 'wrong'),
      /name or password of alice is wrong/,
    )
    await assert.rejects(runVerb(['login', url, '-u', 'alice', '--password-stdin'], environment, ''), (error: unknown) => {
      assert.match(String(error), /standard input is empty/)
      return exitStatusOf(error) === 2
    })
    await assert.rejects(runVerb(['login', url, '-u', 'alice'], environment), /nobody is there to ask/)
    assert.deepEqual(await stored(), kept)
  })

  test('repositories, tags and manifests are shown, changed and deleted', async () => {
    const image = await pushImage(alice.registry, 'team/app', 'v1', { command: ['serve'] })
    const { digest } = image.descriptor
    assert.match((await berth('repository', 'list', '--project', 'team')).lines.join('\n'), /^NAME .*\nteam\/app +team +1 /)
    await berth('repository', 'describe', 'team/app', 'what it is')
    assert.match((await berth('repository', 'show', 'team/app')).lines.join('\n'), /Description: what it is\n/)
    assert.deepEqual((await berth('tag', 'create', 'team/app:v2', digest)).lines, [`team/app:v2 is ${digest}`])
    assert.equal((await berth('tag', 'list', 'team/app', '--q', 'v')).lines.length, 3)
    assert.match((await berth('tag', 'show', 'team/app:v2')).lines.join('\n'), new RegExp(`Digest: +${digest}`))
    assert.match((await berth('tag', 'history', 'team/app:v2')).lines.join('\n'), /alice$/)
    const shown = (await berth('manifest', 'show', `team/app@${digest}`)).lines.join('\n')
    assert.match(shown, /Command: +serve/)
    assert.match(shown, /\nLAYER +SIZE +MADE BY\nsha256:/)
    const listed = JSON.parse((await berth('manifest', 'list', 'team/app', '--tagged', '--json')).lines.join('\n')) as {
      items: { digest: string }[]
    }
    assert.deepEqual(
      listed.items.map((each) => each.digest),
      [digest],
    )
    assert.equal((await berth('manifest', 'list', 'team/app', '--untagged')).lines.length, 1)
    assert.deepEqual((await berth('manifest', 'referrers', `team/app@${digest}`)).lines, ['TYPE  DIGEST  SIZE'])
    await berth('tag', 'delete', 'team/app:v2', '--yes')
    await assert.rejects(berth('tag', 'show', 'team/app:v2'), /MANIFEST_UNKNOWN, request /)
    await berth('manifest', 'delete', `team/app@${digest}`, '-y')
    await berth('repository', 'delete', 'team/app', '-y')
    await assert.rejects(berth('repository', 'show', 'team/app'), /team\/app/)
  })

  test('uploads are shown and cancelled', async () => {
    await startUpload(alice.registry, people.rooms.url, 'team/app')
    const [, row] = (await berth('upload', 'list', 'team/app')).lines
    const id = row?.split(' ')[0] ?? ''
    assert.equal((await berth('upload', 'list')).lines.length, 2)
    await berth('upload', 'cancel', 'team/app', id, '--yes')
    assert.equal((await berth('upload', 'list')).lines.length, 1)
  })

  test('a token of the environment goes before what is stored', async () => {
    await assert.rejects(runVerb(['repository', 'list'], { ...environment, BERTH_TOKEN: 'berth_pat_nonsense' }), /log in with berth login/)
    const { secret } = (await people.root.call('POST', '/tokens', { name: 'x' })).body
    const { lines } = await runVerb(['whoami'], { ...environment, BERTH_TOKEN: String(secret) })
    assert.ok(lines.some((line) => /^Name: +root$/.test(line)))
    const named = await runVerb(['whoami'], { ...environment, BERTH_USER: 'root', BERTH_TOKEN: String(secret) })
    assert.deepEqual(named.lines, lines)
  })

  test('a token that is given as the password is kept as it is', async () => {
    const { secret } = (await people.root.call('POST', '/tokens', { name: 'y' })).body
    const other = await mkdtemp(join(tmpdir(), 'berth-login-'))
    try {
      await runVerb(['login', url, '-u', 'root', '--password-stdin'], { XDG_CONFIG_HOME: other }, String(secret))
      const logins = JSON.parse(await readFile(join(other, 'berth', 'credentials.json'), 'utf8')) as StoredLogins
      assert.deepEqual(logins.servers[url], { name: 'root', token: secret })
    } finally {
      await rm(other, { recursive: true })
    }
  })

  test('a login that cannot be kept leaves no token', async () => {
    const other = await mkdtemp(join(tmpdir(), 'berth-login-'))
    try {
      const before = (await tokens()).length
      await mkdir(join(other, 'berth', 'credentials.json'), { recursive: true })
      await assert.rejects(
        runVerb(['login', url, '-u', 'alice', '--password-stdin'], { XDG_CONFIG_HOME: other }, password),
        /cannot be read/,
      )
      await rm(join(other, 'berth'), { recursive: true })
      await writeFile(join(other, 'berth'), 'a file where the directory belongs')
      await assert.rejects(runVerb(['login', url, '-u', 'alice', '--password-stdin'], { XDG_CONFIG_HOME: other }, password))
      assert.equal((await tokens()).length, before)
    } finally {
      await rm(other, { recursive: true })
    }
  })

  test('a server that makes no token is logged in to only by who says that the password is to be kept', async () => {
    await runVerb(['login', url, '-u', 'alice', '--password-stdin'], environment, password)
    const kept = await stored()
    const readOnly = async (isReadOnly: boolean) =>
      assert.equal((await people.root.call('PATCH', '/system/settings', { isReadOnly })).status, 200)
    await readOnly(true)
    try {
      const login = async (...more: string[]) =>
        await runVerb(['login', url, '-u', 'alice', '--password-stdin', ...more], environment, password)
      await assert.rejects(login(), /no token was made.*nothing was kept.*--keep-password/)
      // The token of before still does.
      assert.deepEqual(await stored(), kept)
      assert.equal((await berth('whoami')).errors.length, 0)
      const { errors } = await login('--keep-password')
      assert.ok(errors.some((line) => line.includes('the password itself is kept')))
      const tokenId = kept.servers[url]?.tokenId ?? 0
      assert.ok(!(await tokens()).some(({ id }) => id === tokenId), 'a token that nobody keeps any more is revoked')
      assert.equal((await stored()).servers[url]?.password, password)
    } finally {
      await readOnly(false)
    }
    for (const { id } of await tokens()) assert.equal((await alice.call('DELETE', `/tokens/${String(id)}`)).status, 204)
    await runVerb(['login', url, '-u', 'alice', '--password-stdin'], environment, password)
  })

  test('a logout revokes the token and forgets it', async () => {
    const { errors } = await berth('logout')
    assert.deepEqual(errors, [`logged out of ${url}`])
    assert.deepEqual(await stored(), { servers: {} })
    assert.deepEqual(await tokens(), [])
    await assert.rejects(berth('whoami'), /no server is known/)
    await assert.rejects(berth('whoami', '--server', url), /not logged in/)
    await assert.rejects(berth('logout', url), /not logged in/)
  })

  test('a logout of the default makes no other server the default, and says so', async () => {
    await runVerb(['login', url, '-u', 'alice', '--password-stdin'], environment, password)
    await using second = await openPeople()
    await second.add('alice')
    const other = second.rooms.url.replace(/\/$/, '')
    await runVerb(['login', other, '-u', 'alice', '--password-stdin'], environment, password)
    const { errors } = await berth('logout')
    assert.equal(errors[0], `logged out of ${other}`)
    assert.match(errors[1] ?? '', new RegExp(`^no server is asked by itself now: --server names one you are logged in to \\(${url}\\)`))
    for (const words of [['whoami'], ['logout'], ['project', 'list']])
      await assert.rejects(berth(...words), (error: unknown) => {
        assert.match(String(error), new RegExp(`which server\\? Name one with --server \\(you are logged in to ${url}\\)`))
        return exitStatusOf(error) === 3
      })
    assert.match((await berth('whoami', '--server', url)).lines.join('\n'), /alice/)
    await berth('logout', url)
  })
})
