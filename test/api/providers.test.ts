import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startFakeLdap, type FakeDirectory } from '../../server/access/test-ldap-server.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { openPeople } from './people.ts'

const people = 'ou=people,dc=example,dc=org'
const devs = 'cn=devs,ou=groups,dc=example,dc=org'

function fakeOf(state: { isGone: boolean; groups: readonly string[] }): FakeDirectory {
  return {
    bind: (dn, password) => (dn.startsWith('cn=reader') || password === 'wonderland' ? { code: 0 } : { code: 49 }),
    search: (request) =>
      state.isGone || !request.includes('alice')
        ? []
        : [
            {
              dn: `uid=alice,${people}`,
              attributes: {
                entryUUID: ['id-of-alice'],
                uid: ['Alice'],
                cn: ['Alice A'],
                mail: ['a@example.org'],
                memberOf: [...state.groups],
              },
            },
          ],
  }
}

function settingsFor(url: string) {
  return { urls: [url], searchBase: people, bindDn: 'cn=reader,dc=example,dc=org', bindPassword: 'canary-of-the-bind', timeoutMs: 2000 }
}

const loopback = { outgoing: { allowedNetworks: ['loopback'] } }

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
      { name: '../corp', kind: 'ldap', settings },
      { name: 'corp', kind: 'ldap' },
      { name: 'corp', kind: 'ldap', settings: { ...settings, userFilter: '(uid=*)' } },
    ])
      assert.equal((await place.root.call('POST', '/providers', body)).status, 400, JSON.stringify(body))
  })

  test('somebody of a directory signs in by /v2 and the API, gets the rights of their groups, and loses them with the groups', async () => {
    const state = { isGone: false, groups: [devs] as readonly string[] }
    await using directory = await startFakeLdap(fakeOf(state))
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
    await using directory = await startFakeLdap(fakeOf(state))
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
    for (const issuer of ['http://169.254.169.254', 'http://10.0.0.1', 'http://[::ffff:7f00:1]']) {
      const test = await root.call('POST', '/provider-tests', { kind: 'oidc', settings: { issuer, clientId: 'x' } })
      assert.equal(test.body['passed'], false, issuer)
    }
    assert.ok(!place.rooms.lines.some((line) => line.includes('wonderland') || line.includes('canary-of-the-bind')))
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
