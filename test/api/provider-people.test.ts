import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ensureLocalProvider } from '#access/local-provider.ts'
import { startFakeLdap } from '../../server/access/test-ldap-server.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { devs, directoryOfAlice, loopback, settingsFor } from './alice-of-ldap.ts'
import { openPeople } from './people.ts'

suite('providers and the people whom they vouch for', () => {
  test('the record of a new provider with a secret says when it was switched on', async () => {
    await using place = await openPeople(loopback)
    const { root } = place
    const settings = settingsFor('ldap://127.0.0.1:1')
    const records = async (name: string) =>
      (await root.call('GET', `/audit?action=provider.*&sort=id&target=provider:${name}`)).body.items?.map(({ action, detail }) => [
        action,
        (detail as { readonly isEnabled?: unknown }).isEnabled,
      ])
    for (const [name, isEnabled] of [
      ['corp', true],
      ['off', false],
    ] as const) {
      assert.equal((await root.call('POST', '/providers', { name, kind: 'ldap', isEnabled, settings })).body['isEnabled'], isEnabled)
      assert.deepEqual((await records(name))?.at(-1)?.[1], isEnabled, name)
    }
    assert.deepEqual(await records('corp'), [
      ['provider.created', false],
      ['provider.updated', true],
    ])
  })

  test('a test with somebody’s password is held back as their sign-ins are, and the record says who and how it ended', async () => {
    await using directory = await startFakeLdap(directoryOfAlice({ isGone: false, groups: [] }))
    await using place = await openPeople(loopback)
    const { root } = place
    const settings = settingsFor(directory.url)
    await root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings })
    const guess = (secret: string) => root.call('POST', '/providers/corp/test', { name: 'alice', password: secret })
    assert.deepEqual([(await guess('wonderland')).body['passed'], (await guess('wrong 0')).body['passed']], [true, false])
    const statuses: number[] = []
    for (let round = 1; round < 7; round++) statuses.push((await guess(`wrong ${round}`)).status)
    assert.deepEqual(statuses, [200, 200, 200, 200, 429, 429])
    assert.equal((await guess('wonderland')).status, 429)
    const unsaved = { kind: 'ldap', settings, name: 'alice', password: 'wonderland' }
    assert.equal((await root.call('POST', '/provider-tests', unsaved)).status, 429)
    const headers = { authorization: basicAuthorization('alice', 'other') }
    assert.equal((await sendRequest(new URL('/v2/', place.rooms.url).href, { headers })).status, 429)
    assert.equal((await root.call('POST', '/providers/corp/test', { name: 'alice' })).status, 200, 'who is only looked up is no guess')
    const { items = [] } = (await root.call('GET', '/audit?action=provider.tested&sort=id&limit=3')).body
    assert.deepEqual(
      items.map(({ outcome, reason, detail }) => [outcome, reason, detail]),
      [
        ['success', null, { passed: true, user: 'alice', withPassword: true }],
        ['failure', 'UNAUTHORIZED', { passed: false, user: 'alice', withPassword: true }],
        ['failure', 'UNAUTHORIZED', { passed: false, user: 'alice', withPassword: true }],
      ],
    )
    const refused = (await root.call('GET', '/audit?action=provider.tested&reason=TOOMANYREQUESTS')).body.items
    assert.equal(refused?.length, 4)
  })

  test('other groups that are required or make administrators count at the next request, for tokens too', async () => {
    const state = { isGone: false, groups: [devs] as readonly string[] }
    await using directory = await startFakeLdap(directoryOfAlice(state))
    await using place = await openPeople(loopback)
    const { root } = place
    await ensureLocalProvider(place.rooms.registry.metadata, place.rooms.accounts.ports.clock)
    await root.call('POST', '/providers', { name: 'corp', kind: 'ldap', settings: { ...settingsFor(directory.url), adminGroups: [devs] } })
    const get = async (secret: string, path = '/api/v1/users') =>
      (await sendRequest(new URL(path, place.rooms.url).href, { headers: { authorization: basicAuthorization('alice', secret) } })).status
    assert.equal(await get('wonderland'), 200)
    const alice = { authorization: basicAuthorization('alice', 'wonderland'), 'content-type': 'application/json' }
    const made = await sendRequest(new URL('/api/v1/tokens', place.rooms.url).href, {
      method: 'POST',
      headers: alice,
      body: Buffer.from('{"name":"a"}'),
    })
    const { secret } = JSON.parse(made.body.toString()) as { readonly secret: string }
    assert.equal(await get(secret), 200)
    const change = async (settings: object) => {
      const { status, body } = await root.call('PATCH', '/providers/corp', { settings })
      assert.equal(status, 200, JSON.stringify(body))
    }
    const others = 'cn=others,ou=groups,dc=example,dc=org'
    await change({ adminGroups: [others] })
    assert.deepEqual([await get(secret), await get('wonderland')], [403, 403], 'no administrator any more')
    const [updated] = (await root.call('GET', '/audit?action=provider.updated')).body.items ?? []
    assert.deepEqual(updated?.['detail'], { changed: ['settings.adminGroups'], administratorsTaken: 1, signedOut: 0 })
    await change({ adminGroups: [others, devs] })
    assert.equal(await get(secret), 200, 'the directory is asked at once')
    await change({ requiredGroups: [others] })
    assert.deepEqual([await get(secret), await get(secret, '/v2/')], [401, 401])
    await change({ requiredGroups: [devs] })
    assert.equal(await get('wonderland', '/v2/'), 200)
  })
})
