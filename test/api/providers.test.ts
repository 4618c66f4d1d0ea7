import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { startFakeLdap } from '../../server/access/test-ldap-server.ts'
import { runVerb } from '../../cli/test-verb.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { devs, directoryOfAlice, loopback, people, settingsFor } from './alice-of-ldap.ts'
import { publicKey } from './public-key.ts'
import { openPeople, password } from './people.ts'

const keySet = JSON.stringify({ keys: [publicKey('ec', 'P-256')] })

suite('identity providers over the API', () => {
  test('a provider is made, read, changed and removed, and its secret never comes back', async () => {
    await using place = await openPeople(loopback)
    const { root } = place
    const made = await root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings: settingsFor('ldap://127.0.0.1:1') })
    assert.deepEqual([made.status, made.location?.endsWith('/providers/corp'), made.etag], [201, true, '"1"'])
    const settings = made.body['settings'] as Readonly<Record<string, unknown>>
    assert.deepEqual([settings['hasBindPassword'], settings['bindPassword']], [true, undefined])
    const read = await root.call('GET', '/providers/corp')
    const listed = await root.call('GET', '/providers')
    const changed = await root.call(
      'PATCH',
      '/providers/corp',
      { title: 'Corp', settings: { groups: { nested: true } } },
      { 'if-match': '"1"' },
    )
    assert.deepEqual([read.status, listed.status, changed.status, changed.etag], [200, 200, 200, '"2"'])
    assert.equal((await root.call('PATCH', '/providers/corp', { title: 'x' }, { 'if-match': '"1"' })).status, 412)
    assert.ok(!JSON.stringify([made, read, listed, changed, place.rooms.lines]).includes('canary-of-the-bind'))
    assert.equal((await root.call('DELETE', '/providers/corp')).status, 204)
    assert.equal((await root.call('GET', '/providers/corp')).status, 404)
  })

  test('a directory that is sent passwords over the network in clear is named', async () => {
    await using place = await openPeople(loopback)
    const warningsOf = async (name: string, url: string, more: object = {}) => {
      const settings = { urls: [url], searchBase: people, ...more }
      const { status, body } = await place.root.call('POST', '/providers', { name, kind: 'ldap', isEnabled: false, settings })
      assert.equal(status, 201, JSON.stringify(body))
      return body['warnings']
    }
    assert.match(String(await warningsOf('clear', 'ldap://ldap.corp.example')), /passwords go to ldap:\/\/ldap\.corp\.example in clear/)
    assert.equal(await warningsOf('tls', 'ldaps://ldap.corp.example'), undefined)
    assert.equal(await warningsOf('start', 'ldap://ldap.corp.example', { startTls: true }), undefined)
    assert.equal(await warningsOf('here', 'ldap://127.0.0.1:389'), undefined)
  })

  test('a second provider of workload tokens, or of people, of one issuer is refused, made or changed to', async () => {
    await using place = await openPeople(loopback)
    const { root } = place
    const settings = { issuer: 'https://ci.example', jwksUrl: 'https://ci.example/jwks' }
    const create = (name: string, issuer: string, kind = 'workload') =>
      root.call('POST', '/providers', {
        name,
        kind,
        settings: kind === 'workload' ? { ...settings, issuer } : { issuer, clientId: 'berth' },
      })
    assert.equal((await create('ci', settings.issuer)).status, 201)
    const second = await create('ci2', settings.issuer)
    assert.deepEqual([second.status, second.body['code']], [409, 'CONFLICT'])
    assert.equal(second.body['title'], 'what is there stands in the way of this')
    assert.match(String(second.body['detail']), /provider ci is for this issuer already/)
    assert.equal((await create('people', settings.issuer, 'oidc')).status, 201, 'one for people may share it')
    const twice = await create('people2', settings.issuer, 'oidc')
    assert.deepEqual([twice.status, twice.body['code']], [409, 'CONFLICT'])
    assert.match(String(twice.body['detail']), /provider people is for this issuer already.*accounts are linked by issuer and subject/)
    assert.equal((await create('people3', 'https://people.example', 'oidc')).status, 201)
    assert.equal((await root.call('PATCH', '/providers/people3', { settings: { issuer: settings.issuer } })).status, 409)
    assert.equal((await root.call('PATCH', '/providers/people', { settings: { onNewName: 'ask' } })).status, 200)
    assert.equal((await create('ci3', 'https://other.example')).status, 201)
    assert.equal((await root.call('PATCH', '/providers/ci3', { settings: { issuer: settings.issuer } })).status, 409)
    assert.equal((await root.call('PATCH', '/providers/ci', { settings: { clockToleranceSeconds: 10 } })).status, 200)
  })

  test('an issuer in another spelling is no other issuer', async () => {
    await using place = await openPeople(loopback)
    const { root } = place
    const create = (name: string, kind: string, issuer: string) =>
      root.call('POST', '/providers', {
        name,
        kind,
        settings: kind === 'oidc' ? { issuer, clientId: 'berth' } : { issuer, jwks: keySet },
      })
    for (const kind of ['oidc', 'workload']) {
      assert.equal((await create(kind, kind, 'https://id.example/r')).status, 201)
      const spellings = ['https://id.example/./r', 'https://id.example:443/r', 'https://id.example:0443/r', 'https://ID.Example/r']
      for (const issuer of spellings) assert.equal((await create('again', kind, issuer)).status, 409, `${kind} ${issuer}`)
      assert.equal((await create(`${kind}-other`, kind, 'https://id.example/R')).status, 201, 'a path has its capitals')
      for (const issuer of spellings)
        assert.equal((await root.call('PATCH', `/providers/${kind}-other`, { settings: { issuer } })).status, 409, `${kind} ${issuer}`)
      assert.equal((await root.call('PATCH', `/providers/${kind}`, { settings: { issuer: 'https://ID.example/r' } })).status, 200)
    }
    for (const [name, status] of [
      ['cluster', 201],
      ['cluster2', 409],
    ] as const)
      assert.equal((await create(name, 'workload', 'kubernetes/serviceaccount')).status, status, 'an issuer may be no URL')
  })

  test('only who may sees and changes providers', async () => {
    await using place = await openPeople(loopback)
    const bob = await place.add('bob')
    const reader = await place.add('reader')
    await place.grant(reader, 'system-reader')
    const body = { name: 'corp', kind: 'ldap', settings: settingsFor('ldap://127.0.0.1:1') }
    await place.root.call('POST', '/providers', body)
    for (const [who, expected] of [
      [place.stranger, { GET: 401, POST: 401, PATCH: 401, DELETE: 401, test: 401 }],
      [bob, { GET: 403, POST: 403, PATCH: 403, DELETE: 403, test: 403 }],
      [reader, { GET: 200, POST: 403, PATCH: 403, DELETE: 403, test: 403 }],
    ] as const) {
      assert.equal((await who.call('GET', '/providers/corp')).status, expected.GET)
      assert.equal((await who.call('POST', '/providers', { ...body, name: 'other' })).status, expected.POST)
      assert.equal((await who.call('PATCH', '/providers/corp', { isEnabled: false })).status, expected.PATCH)
      assert.equal((await who.call('DELETE', '/providers/corp')).status, expected.DELETE)
      assert.equal((await who.call('POST', '/providers/corp/test', {})).status, expected.test)
      assert.equal((await who.call('POST', '/provider-tests', { kind: 'ldap', settings: body.settings })).status, expected.test)
    }
  })

  test('malformed providers are refused', async () => {
    await using place = await openPeople(loopback)
    const settings = settingsFor('ldap://127.0.0.1:1')
    for (const body of [
      { name: 'corp', kind: 'ldap', settings: { ...settings, urls: ['http://127.0.0.1'] } },
      { name: 'corp', kind: 'ldap', settings: { ...settings, secrets: 'x' } },
      { name: 'corp', kind: 'oidc', settings },
      { name: 'corp', kind: 'local', settings: {} },
      { name: 'corp', kind: 'ldap', settings, id: 1 },
      { name: 'sso', kind: 'oidc', settings: { issuer: 'http://sso.example.com', clientId: 'x' } },
      { name: 'sso', kind: 'oidc', settings: { issuer: 'http://127.0.0.1.example.com', clientId: 'x' } },
      { name: 'ci', kind: 'workload', settings: { issuer: 'http://ci.example.com' } },
      { name: '../corp', kind: 'ldap', settings },
      { name: 'corp', kind: 'ldap' },
      { name: 'corp', kind: 'ldap', settings: { ...settings, userFilter: '(uid=*)' } },
    ])
      assert.equal((await place.root.call('POST', '/providers', body)).status, 400, JSON.stringify(body))
  })

  test('somebody of a directory signs in by /v2 and the API, gets the rights of their groups, and loses them with the groups', async () => {
    const state = { isGone: false, groups: [devs] as readonly string[] }
    await using directory = await startFakeLdap(directoryOfAlice(state))
    await using place = await openPeople(loopback)
    await place.root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings: settingsFor(directory.url) })
    const get = (path: string, password: string) =>
      sendRequest(new URL(path, place.rooms.url).href, { headers: { authorization: basicAuthorization('alice', password) } })
    assert.equal((await get('/v2/', 'wrong')).status, 401)
    assert.equal((await get('/v2/', '')).status, 401)
    assert.equal((await get('/v2/', 'wonderland')).status, 200)
    const groups = await place.root.call('GET', '/groups')
    assert.deepEqual(
      groups.body.items?.map(({ name, externalName }) => [name, externalName]),
      [['devs', devs]],
    )
    const users = await place.root.call('GET', '/users?name=alice')
    assert.notEqual(users.body.items?.[0]?.['lastLoginAt'], null, 'the first sign-in is one')
    assert.deepEqual(
      users.body.items?.map(({ name, hasPassword, providers }) => [name, hasPassword, providers]),
      [['alice', false, ['corp']]],
    )
    // A local account of the same name is never taken over, and theirs is not by a local one.
    assert.equal((await place.root.call('POST', '/users', { name: 'alice', password: 'a long enough passphrase' })).status, 409)
    await place.root.call('PATCH', '/providers/corp', { isEnabled: false })
    assert.equal((await get('/v2/', 'wonderland')).status === 200, false)
  })

  test('a test tells each step, finds people, and tells nothing of a server that may not be asked', async () => {
    const state = { isGone: false, groups: [devs] as readonly string[] }
    await using directory = await startFakeLdap(directoryOfAlice(state))
    await using place = await openPeople(loopback)
    const { root } = place
    await root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings: settingsFor(directory.url) })
    const found = await root.call('POST', '/providers/corp/test', { name: 'alice', password: 'wonderland' })
    assert.deepEqual([found.status, found.body['passed']], [200, true])
    assert.deepEqual((found.body['person'] as { readonly groups: unknown }).groups, [devs])
    assert.equal((await root.call('POST', '/providers/corp/test', { name: 'alice', password: 'wrong' })).body['passed'], false)
    const unsaved = await root.call('POST', '/provider-tests', {
      kind: 'ldap',
      provider: 'corp',
      settings: { urls: ['ldap://169.254.169.254'] },
    })
    assert.deepEqual([unsaved.status, unsaved.body['passed']], [200, false])
    assert.match(JSON.stringify(unsaved.body['steps']), /outgoing\.allowednetworks/)
    for (const issuer of ['https://169.254.169.254', 'https://10.0.0.1', 'https://[::ffff:7f00:1]']) {
      const test = await root.call('POST', '/provider-tests', { kind: 'oidc', settings: { issuer, clientId: 'x' } })
      assert.equal(test.body['passed'], false, issuer)
    }
    assert.ok(!place.rooms.lines.some((line) => line.includes('wonderland') || line.includes('canary-of-the-bind')))
  })

  test('somebody whose name is another account’s is not let in, and log, audit and test say why', async () => {
    await using directory = await startFakeLdap(directoryOfAlice({ isGone: false, groups: [devs] }))
    await using place = await openPeople(loopback)
    const { root } = place
    await place.add('alice')
    await root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings: settingsFor(directory.url) })
    const get = (name: string) =>
      sendRequest(new URL('/v2/', place.rooms.url).href, { headers: { authorization: basicAuthorization(name, 'wonderland') } })
    const said = () => place.rooms.lines.filter((line) => line.includes('the name alice belongs to another account here')).length
    assert.deepEqual([(await get('alice')).status, said()], [401, 1])
    assert.deepEqual([(await get('alice')).status, said()], [401, 1], 'said once, not at each attempt')
    // Under another spelling the directory is asked for the password, and it is right.
    const spelled = await get('alice@corp')
    assert.deepEqual([spelled.status, said()], [401, 2])
    assert.match(
      spelled.body.toString(),
      /"UNAUTHORIZED","message":"the password is right, but the name alice belongs to another account here: an administrator renames or deletes that account, or its owner links this identity to it/,
    )
    const tested = await root.call('POST', '/providers/corp/test', { name: 'alice' })
    assert.equal(tested.body['passed'], false)
    assert.match(
      JSON.stringify(tested.body['steps']),
      /found, in 1 group".*the name alice belongs to another account here.*berth user update alice/s,
    )
    const audit = await root.call('GET', '/audit?action=login.failed')
    // What may be a guess at the local account counts as one, with a hint; who is known to the directory by their password is none.
    assert.deepEqual(
      audit.body.items
        ?.map(({ target, reason, count, detail }) => {
          const { until: _, ...known } = detail as Readonly<Record<string, unknown>>
          return { target, reason, count, ...known }
        })
        .toReversed(),
      [
        { target: 'user:alice', reason: 'UNAUTHORIZED', count: 2, cause: 'name-taken', provider: 'corp' },
        { target: 'user:alice@corp', reason: 'NAME_TAKEN', count: 1 },
      ],
    )
  })

  test('a setting that does not fit is refused in the words of its kind', async () => {
    await using place = await openPeople(loopback)
    const { root } = place
    const settings = settingsFor('ldap://127.0.0.1:1')
    await root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings })
    const sso = { issuer: 'https://sso.example.com', clientId: 'berth' }
    await root.call('POST', '/providers', { name: 'sso', kind: 'oidc', isEnabled: false, settings: sso })
    const change = (name: string, change: object) => root.call('PATCH', `/providers/${name}`, { settings: change })
    const create = (kind: string, given: object) => root.call('POST', '/providers', { name: 'more', kind, settings: given })
    const tried = (kind: string, given: object, more = {}) => root.call('POST', '/provider-tests', { kind, settings: given, ...more })
    const ofLdap = /^settings\/path: is not a member of this: urls, startTls,/
    const ofOidc = /^settings\/path: is not a member of this: issuer, clientId,/
    const ofHtpasswd = /^settings\/path: must have at least 1 character/
    for (const [reply, said] of [
      [await change('corp', { path: '' }), ofLdap],
      [await change('corp', { path: 'x' }), ofLdap],
      [await change('corp', { issuer: '' }), /^settings\/issuer: is not a member of this: urls,/],
      [await change('sso', { path: '' }), ofOidc],
      [await change('sso', { urls: [] }), /^settings\/urls: is not a member of this: issuer,/],
      [await create('oidc', { ...sso, path: '' }), ofOidc],
      [await create('ldap', { ...settings, path: 'x' }), ofLdap],
      [await create('htpasswd', { path: '' }), ofHtpasswd],
      [await create('htpasswd', {}), /^settings\/path: is missing/],
      [await create('workload', { path: '' }), /settings\/path: is not a member of this: issuer, jwksUrl,/],
      [await tried('oidc', { ...sso, path: '' }), ofOidc],
      [await tried('oidc', { path: '' }, { provider: 'sso' }), ofOidc],
      [await create('ldap', [] as never), /settings.* must be an object/],
    ] as const) {
      assert.equal(reply.status, 400)
      assert.match(String(reply.body['detail']), said)
    }
    assert.equal((await change('nobody', { path: '' })).status, 404)
    assert.equal((await change('corp', { timeoutMs: 3000 })).status, 200)
  })

  test('a grant names a group of a directory by its DN in any spelling, once a member has signed in', async () => {
    await using directory = await startFakeLdap(directoryOfAlice({ isGone: false, groups: [devs] }))
    await using place = await openPeople(loopback)
    const { root } = place
    await root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings: settingsFor(directory.url) })
    const grant = (name: string, role: string) => root.call('POST', '/grants', { subject: { kind: 'group', name }, role })
    const early = await grant(devs, 'developer')
    assert.equal(early.status, 400)
    assert.match(JSON.stringify(early.body), /once the first of its members has signed in/)
    const headers = { authorization: basicAuthorization('alice', 'wonderland') }
    assert.equal((await sendRequest(new URL('/v2/', place.rooms.url).href, { headers })).status, 200)
    for (const [name, role] of [
      ['devs', 'guest'],
      [devs, 'developer'],
      ['CN=Devs, OU=Groups, DC=example, DC=org', 'maintainer'],
    ] as const) {
      const made = await grant(name, role)
      assert.deepEqual([made.status, (made.body['subject'] as { readonly name: unknown } | undefined)?.name], [201, 'devs'], name)
    }
    assert.equal((await grant('cn=others,ou=groups,dc=example,dc=org', 'guest')).status, 400)
  })

  test('a grant for a group that two directories have says whose, or is refused with both', async () => {
    await using directory = await startFakeLdap(directoryOfAlice({ isGone: false, groups: [devs] }))
    const others = 'cn=devs,ou=partners,dc=example,dc=org'
    await using partner = await startFakeLdap({
      bind: () => ({ code: 0 }),
      search: (request) =>
        request.includes('paula')
          ? [{ dn: 'uid=paula,dc=partner', attributes: { entryUUID: ['id-of-paula'], uid: ['paula'], memberOf: [others] } }]
          : [],
    })
    await using place = await openPeople(loopback)
    const { root } = place
    await root.call('POST', '/projects', { name: 'team' })
    await root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings: settingsFor(directory.url) })
    await root.call('POST', '/providers', { name: 'partner', kind: 'ldap', settings: settingsFor(partner.url) })
    for (const [name, secret] of [
      ['alice', 'wonderland'],
      ['paula', 'any'],
    ] as const) {
      const headers = { authorization: basicAuthorization(name, secret) }
      assert.equal((await sendRequest(new URL('/v2/', place.rooms.url).href, { headers })).status, 200, name)
    }
    const grant = (name: string) => root.call('POST', '/projects/team/grants', { subject: { kind: 'group', name }, role: 'guest' })
    const refused = await grant('devs')
    assert.equal(refused.status, 400)
    assert.match(String(refused.body['detail']), /several groups are called devs: say which one, corp:devs or partner:cn=devs,ou=partners/)
    const made = await grant('partner:devs')
    assert.deepEqual([made.status, (made.body['subject'] as { readonly provider?: unknown }).provider], [201, 'partner'])
    assert.equal((await grant('local:devs')).status, 400)
    const list = async (group: string) => root.call('GET', `/projects/team/grants?group=${encodeURIComponent(group)}`)
    assert.equal((await list('devs')).status, 400)
    assert.deepEqual([(await list('partner:devs')).body.items?.length, (await list('corp:devs')).body.items?.length], [1, 0])
    const candidates = await root.call('GET', '/projects/team/candidates?name=dev')
    assert.deepEqual(candidates.body.items?.map(({ provider }) => provider).toSorted(), ['corp', 'partner'])
    const environment = { BERTH_SERVER: place.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password }
    const berth = async (...args: readonly string[]) =>
      (await runVerb(['grant', ...args, '--project', 'team'], environment)).lines.join('\n')
    assert.match(await berth('list'), / group partner:cn=devs,ou=partners,dc=example,dc=org +guest /)
    assert.match(await berth('candidates', 'dev'), /ID +KIND +NAME +PROVIDER +DISPLAY NAME\n.*partner[^\n]*\n.*devs +corp/)
    await assert.rejects(berth('create', 'guest', '--group', 'devs'), /several groups are called devs/)
    assert.match(await berth('create', 'guest', '--group', 'corp:devs'), /group corp:devs/)
  })

  test('a provider that is switched off by the command says what its accounts cannot do meanwhile', async () => {
    await using place = await openPeople(loopback)
    await place.root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings: settingsFor('ldap://127.0.0.1:1') })
    const environment = { BERTH_SERVER: place.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password }
    const off = await runVerb(['provider', 'disable', 'corp'], environment)
    assert.deepEqual(off.lines, ['corp is off'])
    assert.match(off.errors.join('\n'), /until it is on again, accounts that nothing else opens cannot sign in and use no token/)
    const on = await runVerb(['provider', 'enable', 'corp'], environment)
    assert.deepEqual([on.lines, on.errors], [['corp is on'], []])
  })

  test('a test of an OIDC provider says that the secret was not tried', async () => {
    const server = createServer((request, response) => {
      const issuer = `http://${request.headers.host}`
      response.end(JSON.stringify(request.url === '/jwks' ? JSON.parse(keySet) : { issuer, jwks_uri: `${issuer}/jwks` }))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    try {
      await using place = await openPeople(loopback)
      const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const settings = { issuer, clientId: 'x', clientSecret: 'wrong' }
      const { body } = await place.root.call('POST', '/provider-tests', { kind: 'oidc', settings })
      assert.equal(body['passed'], true, JSON.stringify(body))
      assert.match(JSON.stringify(body['steps']), /1 key is there; client id and secret were not tried/)
    } finally {
      server.close()
    }
  })

  test('a test says which account somebody has, or will get', async () => {
    await using directory = await startFakeLdap(directoryOfAlice({ isGone: false, groups: [] }))
    await using place = await openPeople(loopback)
    const { root } = place
    await root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings: settingsFor(directory.url) })
    const steps = async () => JSON.stringify((await root.call('POST', '/providers/corp/test', { name: 'alice' })).body['steps'])
    assert.match(await steps(), /found, in 0 groups.*they get the account alice at their first sign-in/s)
    const headers = { authorization: basicAuthorization('alice', 'wonderland') }
    assert.equal((await sendRequest(new URL('/v2/', place.rooms.url).href, { headers })).status, 200)
    assert.match(await steps(), /they are the account alice/)
  })

  test('a secret is not sent to a server that unsaved settings name', async () => {
    const passwords: string[] = []
    await using evil = await startFakeLdap({ bind: (_dn, password) => (passwords.push(password), { code: 0 }), search: () => [] })
    await using place = await openPeople(loopback)
    await place.root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings: settingsFor('ldap://127.0.0.1:1') })
    await place.root.call('POST', '/provider-tests', { kind: 'ldap', provider: 'corp', settings: { urls: [evil.url] } })
    await place.root.call('PATCH', '/providers/corp', { settings: { urls: [evil.url] } })
    await place.root.call('POST', '/providers/corp/test', {})
    assert.ok(!passwords.includes('canary-of-the-bind'))
  })
})
