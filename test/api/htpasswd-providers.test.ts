import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { startFakeLdap } from '../../server/access/test-ldap-server.ts'
import { runVerb } from '../../cli/test-verb.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { movingClock } from '../support/moving-clock.ts'
import { registryClient } from '../support/registry-client.ts'
import { openPeople, type People } from './people.ts'

const alicePassword = 'canary-of-alice'
const aliceEntry = `alice:${hashSync(alicePassword, 4)}\n`

interface Place extends People {
  readonly files: string
  readonly advance: (ms: number) => void
}

async function open(sections: Parameters<typeof openPeople>[0] = {}): Promise<Place> {
  const { ports, advance } = movingClock()
  const people = await openPeople(sections, { ports })
  const files = people.rooms.accounts.passwordFiles ?? ''
  assert.notEqual(files, '')
  await mkdir(files, { recursive: true })
  await writeFile(join(files, 'team'), aliceEntry)
  return { ...people, files, advance }
}

const providerOf = (path: string, more: Readonly<Record<string, unknown>> = {}) => ({
  name: 'team',
  kind: 'htpasswd',
  settings: { path, ...more },
})

function status(place: Place, name: string, password: string, path = '/v2/'): Promise<number> {
  const authorization = basicAuthorization(name, password)
  return registryClient(place.rooms.url, { authorization })
    .send(path)
    .then((answer) => answer.status)
}

suite('an htpasswd provider that is made by the API', () => {
  test('lets its users in beside local accounts, with no more than they are granted', async () => {
    await using place = await open()
    await place.root.call('POST', '/projects', { name: 'shut' })
    const made = await place.root.call('POST', '/providers', providerOf('team'))
    assert.deepEqual([made.status, made.body['settings']], [201, { path: 'team', givesEverything: false, isFromConfiguration: false }])
    assert.equal(await status(place, 'alice', alicePassword), 200)
    assert.equal(await status(place, 'alice', 'wrong'), 401)
    assert.equal(await status(place, 'alice', alicePassword, '/v2/shut/app/tags/list'), 403)
    assert.equal((await place.root.call('GET', '/session')).status, 200)
  })

  test('lets its users in beside those of a directory, and decides over a name that both have', async () => {
    await using place = await open({ outgoing: { allowedNetworks: ['loopback'] } } as never)
    const dn = (name: string) => `uid=${name},ou=people,dc=example,dc=org`
    await using ldap = await startFakeLdap({
      bind: (who, password) => ({ code: who === '' || password === 'of the directory' ? 0 : 49 }),
      search: (request) =>
        ['alice', 'dora']
          .filter((name) => request.includes(name))
          .map((name) => ({ dn: dn(name), attributes: { entryUUID: [`id-of-${name}`], uid: [name], cn: [name] } })),
    })
    const settings = { urls: [ldap.url], searchBase: 'ou=people,dc=example,dc=org', timeoutMs: 2000 }
    assert.equal((await place.root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings })).status, 201)
    await place.root.call('POST', '/providers', providerOf('team'))
    assert.equal(await status(place, 'dora', 'of the directory'), 200)
    for (let time = 0; time < 2; time++) {
      assert.equal(await status(place, 'alice', 'of the directory'), 401)
      assert.equal(await status(place, 'alice', alicePassword), 200)
    }
  })

  test('keeps the names of its file from those whom a directory knows, signed in or not', async () => {
    await using place = await open({ outgoing: { allowedNetworks: ['loopback'] } } as never)
    await using ldap = await startFakeLdap({
      bind: () => ({ code: 0 }),
      search: (request) =>
        request.includes('mallory')
          ? [{ dn: 'uid=m,dc=example,dc=org', attributes: { entryUUID: ['id-of-m'], uid: ['Alice'], cn: ['M'] } }]
          : [],
    })
    const settings = { urls: [ldap.url], searchBase: 'dc=example,dc=org', timeoutMs: 2000 }
    await place.root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings })
    await place.root.call('POST', '/providers', providerOf('team'))
    assert.equal(await status(place, 'mallory', 'any'), 401)
    assert.ok(place.rooms.lines.some((line) => line.includes('the name alice belongs')))
    assert.equal(await status(place, 'alice', alicePassword), 200)
    const { reader } = place.rooms.accounts.metadata
    const { issuer } = await reader.selectFrom('identities').select('issuer').executeTakeFirstOrThrow()
    assert.equal(issuer, 'htpasswd')
  })

  test('may give everything as registry:2 does, which ends with the setting', async () => {
    await using place = await open()
    await place.root.call('POST', '/projects', { name: 'shut' })
    await place.root.call('POST', '/providers', providerOf('team', { givesEverything: true }))
    assert.equal(await status(place, 'alice', alicePassword, '/v2/shut/app/tags/list'), 404)
    const changed = await place.root.call('PATCH', '/providers/team', { settings: { givesEverything: false } })
    assert.equal(changed.status, 200)
    assert.equal(await status(place, 'alice', alicePassword, '/v2/shut/app/tags/list'), 403)
  })

  test('reads no file but those in its directory, and says the same of all that it may not', async () => {
    await using place = await open()
    await mkdir(join(place.files, 'directory'))
    const outside = ['../berth.db', '/etc/passwd', 'a/b', '..', '.', '.hidden', 'C:\\x', 'a\u0000b', '', 'team/']
    for (const path of outside) {
      for (const [route, body] of [
        ['/providers', providerOf(path)],
        ['/provider-tests', { kind: 'htpasswd', settings: { path } }],
      ] as const) {
        const { status: refused, body: said } = await place.root.call('POST', route, body)
        assert.equal(refused, 400, `${route} ${path}`)
        assert.ok(!JSON.stringify(said).includes('root:'))
      }
    }
    const answers = []
    for (const path of ['missing', 'directory'])
      answers.push((await place.root.call('POST', '/providers', providerOf(path))).body['detail'])
    assert.equal(new Set(answers).size, 1)
    assert.equal(
      (await place.root.call('POST', '/providers', { ...providerOf('team'), settings: { path: 'team', isFromConfiguration: true } }))
        .status,
      400,
    )
  })

  test('is refused for a file with other hashes or of another kind, by line and kind, and nothing of what is in it', async () => {
    await using place = await open()
    const secret = 'canary-of-a-file'
    await writeFile(join(place.files, 'sha'), `bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n${aliceEntry}`)
    await writeFile(join(place.files, 'other'), `${secret}:x:0:0\n${secret}\n`)
    await symlink('/etc/passwd', join(place.files, 'link'))
    for (const [path, expected] of [
      ['sha', /line 1 has a SHA-1 hash/],
      ['other', /line 1 has no known hash/],
      ['link', /line 1 has/],
    ] as const) {
      const { status: refused, body } = await place.root.call('POST', '/providers', providerOf(path))
      assert.equal(refused, 400)
      assert.match(String(body['detail']), expected)
      const tried = await place.root.call('POST', '/provider-tests', { kind: 'htpasswd', settings: { path } })
      assert.equal(tried.body['passed'], false)
      for (const word of [secret, '5en6G6', 'bob', 'root']) assert.ok(!JSON.stringify([body, tried.body]).includes(word), word)
    }
    assert.equal((await place.root.call('GET', '/providers/team')).status, 404)
  })

  test('is made by an administrator only', async () => {
    await using place = await open()
    const bob = await place.add('bob')
    const reader = await place.add('reader')
    await place.grant(reader, 'system-reader')
    for (const who of [bob, reader]) assert.equal((await who.call('POST', '/providers', providerOf('team'))).status, 403)
    assert.equal((await place.stranger.call('POST', '/providers', providerOf('team'))).status, 401)
  })

  test('is tried out with a name and a password', async () => {
    await using place = await open()
    await place.root.call('POST', '/providers', providerOf('team'))
    const passed = async (body: unknown) => (await place.root.call('POST', '/providers/team/test', body)).body['passed']
    assert.deepEqual(
      [
        await passed({}),
        await passed({ name: 'alice' }),
        await passed({ name: 'alice', password: alicePassword }),
        await passed({ name: 'alice', password: 'wrong' }),
        await passed({ name: 'nobody', password: 'wrong' }),
        await passed({ name: 'nobody' }),
      ],
      [true, true, true, false, false, false],
    )
  })

  test('that is switched off or deleted lets nobody in', async () => {
    await using place = await open()
    await place.root.call('POST', '/providers', providerOf('team'))
    assert.equal(await status(place, 'alice', alicePassword), 200)
    await place.root.call('PATCH', '/providers/team', { isEnabled: false })
    assert.equal(await status(place, 'alice', alicePassword), 401)
    await place.root.call('PATCH', '/providers/team', { isEnabled: true })
    assert.equal(await status(place, 'alice', alicePassword), 200)
    assert.equal((await place.root.call('DELETE', '/providers/team')).status, 409)
    assert.equal((await place.root.call('DELETE', '/providers/team?force=true')).status, 204)
    assert.equal(await status(place, 'alice', alicePassword), 401)
  })

  test('that is deleted and made again has its users back as they were, and those of another hash without what was theirs', async () => {
    await using place = await open()
    await place.root.call('POST', '/providers', providerOf('team'))
    const alice = registryClient(place.rooms.url, { authorization: basicAuthorization('alice', alicePassword) })
    const send = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: 'laptop' }) }
    const { secret } = JSON.parse((await alice.send('/api/v1/tokens', send)).body.toString()) as { readonly secret: string }
    const remake = async (path: string) => {
      assert.equal((await place.root.call('DELETE', '/providers/team?force=true')).status, 204)
      assert.equal(await status(place, 'alice', secret), 401)
      assert.equal((await place.root.call('POST', '/providers', providerOf(path))).status, 201)
    }
    await remake('team')
    assert.deepEqual([await status(place, 'alice', secret), await status(place, 'alice', alicePassword)], [200, 200])
    await writeFile(join(place.files, 'others'), `alice:${hashSync('another', 4)}\n`)
    await remake('others')
    assert.deepEqual([await status(place, 'alice', secret), await status(place, 'alice', 'another')], [401, 200])
  })

  test('that is deleted and made again gives no account back that is somebody’s meanwhile', async () => {
    await using place = await open()
    await place.root.call('POST', '/providers', providerOf('team'))
    assert.equal(await status(place, 'alice', alicePassword), 200)
    assert.equal((await place.root.call('DELETE', '/providers/team?force=true')).status, 204)
    const { reader } = place.rooms.accounts.metadata
    const { id } = await reader.selectFrom('users').select('id').where('name', '=', 'alice').executeTakeFirstOrThrow()
    assert.equal((await place.root.call('PATCH', `/users/${id}`, { isDisabled: false })).status, 200)
    await place.root.call('POST', '/providers', providerOf('team'))
    assert.equal(await status(place, 'alice', alicePassword), 401)
  })

  test('whose users meet an account of a deleted provider says so with 401, to those who have the password', async () => {
    await using place = await open()
    await writeFile(join(place.files, 'team'), `${aliceEntry}build bot:${hashSync(alicePassword, 4)}\n`)
    await place.root.call('POST', '/providers', providerOf('team'))
    for (const name of ['alice', 'build bot']) assert.equal(await status(place, name, alicePassword), 200)
    await place.root.call('DELETE', '/providers/team?force=true')
    await place.root.call('POST', '/providers', { ...providerOf('team'), name: 'other' })
    for (const name of ['alice', 'build bot']) {
      for (const path of ['/v2/', '/token?service=x']) {
        const send = async (password: string) =>
          await registryClient(place.rooms.url, { authorization: basicAuthorization(name, password) }).send(path)
        const answer = await send(alicePassword)
        assert.equal(answer.status, 401, `${name} ${path}`)
        assert.match(answer.body.toString(), /the name belongs to another account here/)
        const wrong = await send('wrong')
        assert.equal(wrong.status, 401)
        assert.doesNotMatch(wrong.body.toString(), /another account here/)
      }
    }
  })

  test('names each line that does not count when it is tried, the first ten of them', async () => {
    await using place = await open()
    await writeFile(join(place.files, 'bad'), `a\nb:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n${aliceEntry}c:$apr1$x\n`)
    await writeFile(join(place.files, 'worse'), 'junk\n'.repeat(30))
    const said = async (path: string) =>
      JSON.stringify((await place.root.call('POST', '/provider-tests', { kind: 'htpasswd', settings: { path } })).body)
    const bad = await said('bad')
    for (const part of ['3 lines do not count', 'line 1 is not name:hash', 'line 2 has a SHA-1 hash', 'line 4 has an Apache MD5 hash'])
      assert.ok(bad.includes(part), bad)
    assert.match(await said('worse'), /line 10 is not name:hash; and 20 more/)
  })

  test('whose file is gone keeps nobody else out', async () => {
    await using place = await open()
    await place.root.call('POST', '/providers', providerOf('team'))
    await rm(join(place.files, 'team'))
    place.advance(1100)
    assert.equal((await place.root.call('GET', '/session')).status, 200)
    assert.equal(await status(place, 'alice', alicePassword), 503)
  })

  test('is made on the command line, whose login makes a token and keeps no password', async () => {
    await using place = await open()
    const url = place.rooms.url.replace(/\/$/, '')
    const environment = { XDG_CONFIG_HOME: place.rooms.directory }
    await place.root.call('POST', '/providers', providerOf('team'))
    const { errors } = await runVerb(['login', url, '-u', 'alice', '--password-stdin'], environment, `${alicePassword}\n`)
    assert.deepEqual(errors, [`logged in to ${url} as alice`])
    const who = JSON.parse((await runVerb(['whoami', '--json'], environment)).lines.join('\n')) as { readonly credential: string }
    assert.equal(who.credential, 'personal')
  })
})
