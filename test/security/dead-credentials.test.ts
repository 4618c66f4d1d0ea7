/** Every credential of an account whose rights or whose life has ended, at the very next request. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { Secret, TOTP } from 'otpauth'
import { Browser } from '../api/browser.ts'
import { openPeople, password, type People, type Person } from '../api/people.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { pushImage } from '../support/registry-client.ts'
import { startUpload } from '../support/upload.ts'

/** Everything that one can come in by. */
interface Credentials {
  readonly browser: Browser
  /** Name → Authorization. */
  readonly headers: Readonly<Record<string, string>>
  readonly refresh: string
}

let people: People

before(async () => {
  people = await openPeople()
  const { root } = people
  await root.call('POST', '/projects', { name: 'team' })
  await pushImage(root.registry, 'team/app', 'v1')
})
after(() => people[Symbol.asyncDispose]())

async function credentialsOf({ name, registry, call }: Person): Promise<Credentials> {
  const browser = new Browser(people.rooms.url)
  assert.equal((await browser.call('POST', '/session', { name, password })).status, 200)
  const personal = String((await call('POST', '/tokens', { name: 'all' })).body['secret'])
  const url = '/token?scope=repository:team/app:pull,push&offline_token=true&client_id=test'
  const issued = JSON.parse((await registry.send(url)).body.toString()) as { token: string; refresh_token: string }
  const narrow = { authorization: `Bearer ${personal}` }
  const byToken = JSON.parse((await registry.send('/token?scope=repository:team/app:pull,push', { headers: narrow })).body.toString()) as {
    token: string
  }
  return {
    browser,
    refresh: issued.refresh_token,
    headers: {
      password: basicAuthorization(name, password),
      'a personal token': `Bearer ${personal}`,
      'a personal token as password': basicAuthorization(name, personal),
      'a bearer token of the password': `Bearer ${issued.token}`,
      'a bearer token of the personal token': `Bearer ${byToken.token}`,
    },
  }
}

async function statusesOf({ browser, headers, refresh }: Credentials): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {}
  for (const [name, authorization] of Object.entries(headers)) {
    found[name] = (await people.stranger.registry.send('/v2/team/app/manifests/v1', { headers: { authorization } })).status
    found[`${name} at the API`] = (await people.stranger.call('GET', '/repositories/team%2Fapp', undefined, { authorization })).status
  }
  found['a session'] = (await browser.call('GET', '/repositories/team%2Fapp')).status
  const body = `grant_type=refresh_token&service=x&refresh_token=${refresh}`
  const refreshed = await sendRequest(`${people.rooms.url}token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body,
  })
  found['a refresh token'] = refreshed.status
  return found
}

function allAre(statuses: Readonly<Record<string, number>>, wanted: number | readonly number[]) {
  for (const [name, status] of Object.entries(statuses)) assert.ok([wanted].flat().includes(status), `${name}: ${status}`)
}

suite('every credential', () => {
  test('of an account that is disabled is dead, the remembered password among them, and an upload under way cannot go on', async () => {
    const alice = await people.add('alice')
    await people.grant(alice, 'developer', 'team')
    const credentials = await credentialsOf(alice)
    const upload = await startUpload(alice.registry, people.rooms.url, 'team/app')
    allAre(await statusesOf(credentials), 200)
    assert.equal((await people.root.call('PATCH', `/users/${alice.id}`, { isDisabled: true })).status, 200)
    allAre(await statusesOf(credentials), 401)
    for (const method of ['PATCH', 'GET', 'DELETE'])
      assert.equal((await alice.registry.send(upload, { method, ...(method === 'PATCH' && { body: 'x' }) })).status, 401, method)
    assert.equal((await people.root.call('PATCH', `/users/${alice.id}`, { isDisabled: false })).status, 200)
    const after = await statusesOf(credentials)
    assert.equal(after['a session'], 401, 'sessions do not come back')
    assert.equal(after['a bearer token of the password'], 401, 'nor do bearer tokens')
  })

  test('of an account that is removed is dead, and is nobody’s who gets the name', async () => {
    const bob = await people.add('bob')
    await people.grant(bob, 'developer', 'team')
    const credentials = await credentialsOf(bob)
    assert.equal((await people.root.call('DELETE', `/users/${bob.id}`)).status, 204)
    allAre(await statusesOf(credentials), 401)
    const again = await people.add('bob')
    await people.grant(again, 'developer', 'team')
    const statuses = await statusesOf(credentials)
    for (const [name, status] of Object.entries(statuses)) assert.equal(status, name.startsWith('password') ? 200 : 401, name)
  })

  test('but what tokens are for is dead with a password that changes: sessions and bearer and refresh tokens', async () => {
    const carol = await people.add('carol')
    await people.grant(carol, 'developer', 'team')
    const credentials = await credentialsOf(carol)
    const change = { currentPassword: password, password: 'quite another passphrase' }
    assert.equal((await carol.call('PUT', '/session/password', change)).status, 204)
    const statuses = await statusesOf(credentials)
    for (const name of ['password', 'a session', 'a refresh token', 'a bearer token of the password'])
      assert.equal(statuses[name], 401, name)
    assert.equal(statuses['a personal token'], 200, 'those are ended by themselves')
  })

  test('that the password alone gave is dead with the first second factor', async () => {
    const frank = await people.add('frank')
    await people.grant(frank, 'developer', 'team')
    const { browser, refresh, headers } = await credentialsOf(frank)
    const { body } = await browser.call('POST', '/session/factors/totp')
    const code = new TOTP({ secret: Secret.fromBase32(String(body['secret'])) }).generate()
    assert.equal((await browser.call('POST', '/session/factors/totp/confirmation', { code, name: 'phone' })).status, 200)
    const statuses = await statusesOf({ browser, refresh, headers })
    assert.equal(statuses['password'], 401)
    assert.equal(statuses['a refresh token'], 401)
    assert.equal(statuses['a personal token'], 200)
  })

  test('loses what a group gave with the group: sessions, personal and bearer tokens that were issued before', async () => {
    const dave = await people.add('dave')
    const { root } = people
    const group = String((await root.call('POST', '/groups', { name: 'crew' })).body['id'])
    await root.call('PUT', `/groups/${group}/members/${dave.id}`)
    const grant = { subject: { kind: 'group', id: Number(group) }, role: 'developer' }
    assert.equal((await root.call('POST', '/projects/team/grants', grant)).status, 201)
    const credentials = await credentialsOf(dave)
    allAre(await statusesOf(credentials), 200)
    assert.equal((await root.call('DELETE', `/groups/${group}/members/${dave.id}`)).status, 204)
    const { 'a refresh token': refresh, ...rest } = await statusesOf(credentials)
    allAre(rest, [403, 404])
    assert.equal(refresh, 200, 'who it is has not changed')
    await root.call('PUT', `/groups/${group}/members/${dave.id}`)
    allAre(await statusesOf(credentials), 200)
    assert.equal((await root.call('DELETE', `/groups/${group}`)).status, 204)
    const { 'a refresh token': _kept, ...without } = await statusesOf(credentials)
    allAre(without, [403, 404])
  })

  test('of a robot is dead with its secret, its end and itself', async () => {
    const { root } = people
    const made = await root.call('POST', '/projects/team/robots', { name: 'ci', grants: [{ role: 'developer' }] })
    const id = (made.body['robot'] as { id: number }).id
    const secretOf = async () => String((await root.call('POST', `/projects/team/robots/${id}/secrets`, { name: 'x' })).body['secret'])
    const authorizationsOf = async (secret: string) => {
      const authorization = basicAuthorization('robot-ci@team', secret)
      const issued = await root.registry.send('/token?scope=repository:team/app:pull', { headers: { authorization } })
      return [authorization, `Bearer ${(JSON.parse(issued.body.toString()) as { token: string }).token}`]
    }
    const all = async (authorizations: readonly string[], wanted: number) => {
      for (const authorization of authorizations)
        assert.equal((await root.registry.send('/v2/team/app/manifests/v1', { headers: { authorization } })).status, wanted)
    }
    const first = await authorizationsOf(String(made.body['secret']))
    await all(first, 200)
    const { body } = await root.call('GET', `/projects/team/robots/${id}/secrets`)
    for (const secret of body.items ?? []) await root.call('DELETE', `/projects/team/robots/${id}/secrets/${String(secret['id'])}`)
    await all(first, 401)
    const second = await authorizationsOf(await secretOf())
    await all(second, 200)
    await root.call('PATCH', `/projects/team/robots/${id}`, { isDisabled: true })
    await all(second, 401)
    await root.call('PATCH', `/projects/team/robots/${id}`, { isDisabled: false })
    const third = await authorizationsOf(await secretOf())
    await root.call('DELETE', `/projects/team/robots/${id}`)
    await all(third, 401)
  })
})
