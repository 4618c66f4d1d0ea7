import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { sendRequest, basicAuthorization } from '../support/http-client.ts'
import { pushImage } from '../support/registry-client.ts'
import { openPeople, type ApiReply, type People, type Person } from './people.ts'

suite('personal tokens over the API', () => {
  let people: People
  let root: Person
  let alice: Person
  let bob: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    alice = await people.add('alice')
    bob = await people.add('bob')
    for (const name of ['team', 'other']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    await people.grant(alice, 'maintainer', 'team')
    await people.grant(alice, 'maintainer', 'other')
    await pushImage(root.registry, 'team/app', 'v1')
    await pushImage(root.registry, 'other/app', 'v1')
  })
  after(() => people[Symbol.asyncDispose]())

  const make = async (person: Person, body: object) => {
    const reply = await person.call('POST', '/tokens', body)
    assert.equal(reply.status, 201, JSON.stringify(reply.body))
    return {
      secret: String(reply.body['secret']),
      token: reply.body['token'] as { readonly id: number; readonly hint: string; readonly scopes: unknown },
    }
  }
  const as = async (authorization: string, method: string, path: string, body?: unknown): Promise<ApiReply> => {
    const answer = await sendRequest(new URL(path, people.rooms.url).href, {
      method,
      headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = answer.body.toString()
    const parsed = text.startsWith('{') ? (JSON.parse(text) as ApiReply['body']) : {}
    return { status: answer.status, body: parsed, etag: undefined, location: undefined }
  }

  test('a secret is shown once, and works on /v2, the API and as docker’s password', async () => {
    const { secret, token } = await make(alice, { name: 'laptop' })
    assert.match(secret, /^berth_pat_[0-9A-Za-z]{49}$/)
    assert.ok(secret.startsWith(token.hint))
    const list = await alice.call('GET', '/tokens?kind=personal')
    assert.ok(!JSON.stringify(list.body).includes(secret))
    for (const authorization of [`Bearer ${secret}`, basicAuthorization('alice', secret)]) {
      assert.equal((await as(authorization, 'GET', '/v2/team/app/manifests/v1')).status, 200)
      assert.equal((await as(authorization, 'GET', '/api/v1/tokens')).status, 200)
    }
    assert.equal((await as(basicAuthorization('bob', secret), 'GET', '/v2/')).status, 401, 'under another name')
    assert.ok(!people.rooms.lines.join('').includes(secret))
  })

  test('a token ends with the one that made it, and lists say which did', async () => {
    const parent = await make(alice, { name: 'parent' })
    const scopes = [{ permissions: ['repository:pull'] }]
    const madeWith = async (secret: string, name: string) => {
      const { status, body } = await as(`Bearer ${secret}`, 'POST', '/api/v1/tokens', { name, scopes })
      assert.equal(status, 201, JSON.stringify(body))
      return { secret: String(body['secret']), token: body['token'] as { readonly id: number; readonly madeBy: number | null } }
    }
    const child = await madeWith(parent.secret, 'child')
    const grandchild = await madeWith(child.secret, 'grandchild')
    const other = await make(alice, { name: 'other' })
    assert.deepEqual([child.token.madeBy, grandchild.token.madeBy], [parent.token.id, child.token.id])
    const opens = async (secret: string) => (await as(`Bearer ${secret}`, 'GET', '/v2/')).status
    assert.deepEqual([await opens(child.secret), await opens(grandchild.secret)], [200, 200])
    assert.equal((await alice.call('DELETE', `/tokens/${parent.token.id}`)).status, 204)
    assert.deepEqual([await opens(parent.secret), await opens(child.secret), await opens(grandchild.secret)], [401, 401, 401])
    assert.equal(await opens(other.secret), 200)
    const { body } = await root.call('GET', '/audit?action=token.revoked')
    const told = (body.items ?? []).map(({ detail }) => (detail as { readonly name?: string }).name)
    for (const name of ['parent', 'child', 'grandchild']) assert.ok(told.includes(name), name)
  })

  test('a token with scopes sees itself and what it made, and one that names user:read all of its owner', async () => {
    const scopes = [{ permissions: ['repository:pull'] }]
    const narrow = await make(alice, { name: 'narrow', scopes })
    const beside = await make(alice, { name: 'beside' })
    const authorization = `Bearer ${narrow.secret}`
    const own = await as(authorization, 'POST', '/api/v1/tokens', { name: 'own', scopes })
    const ownId = (own.body['token'] as { readonly id: number }).id
    const idsOf = (reply: ApiReply) => (reply.body.items ?? []).map(({ id }) => Number(id)).toSorted((a, b) => a - b)
    assert.deepEqual(idsOf(await as(authorization, 'GET', '/api/v1/tokens')), [narrow.token.id, ownId])
    assert.equal((await as(authorization, 'GET', `/api/v1/tokens/${beside.token.id}`)).status, 404)
    assert.equal((await as(authorization, 'GET', `/api/v1/tokens/${ownId}`)).status, 200)
    const wide = await make(alice, { name: 'wide', scopes: [{ permissions: ['user:read'] }] })
    assert.ok(idsOf(await as(`Bearer ${wide.secret}`, 'GET', '/api/v1/tokens')).includes(beside.token.id))
  })

  test('no token with scopes changes the password of its owner', async () => {
    const { secret } = await make(bob, { name: 'narrow', scopes: [{ permissions: ['user:read', 'user:update'] }] })
    const change = { currentPassword: 'a long enough passphrase', password: 'quite another long passphrase' }
    const { status, body } = await as(`Bearer ${secret}`, 'PUT', '/api/v1/session/password', change)
    assert.deepEqual([status, body['code']], [403, 'DENIED'])
    assert.equal((await bob.call('GET', '/tokens')).status, 200, 'the password is what it was')
  })

  test('scopes narrow it, wherever it is used, and by tokens that are issued for it', async () => {
    const scopes = [{ permissions: ['repository:pull', 'manifest:read', 'repository:read'], project: 'team' }]
    const { secret, token } = await make(alice, { name: 'pull', scopes })
    assert.deepEqual(token.scopes, [{ ...scopes[0], repositories: null }])
    const authorization = basicAuthorization('alice', secret)
    assert.equal((await as(authorization, 'GET', '/v2/team/app/manifests/v1')).status, 200)
    assert.equal((await as(authorization, 'GET', '/v2/other/app/manifests/v1')).status, 403)
    assert.equal((await as(authorization, 'POST', '/v2/team/app/blobs/uploads/')).status, 403)
    const issued = await as(authorization, 'GET', '/token?scope=repository:team/app:pull,push&scope=repository:other/app:pull')
    const bearer = `Bearer ${String(issued.body['token'])}`
    assert.equal((await as(bearer, 'GET', '/v2/team/app/manifests/v1')).status, 200)
    assert.equal((await as(bearer, 'GET', '/v2/other/app/manifests/v1')).status, 401)
    assert.equal((await as(bearer, 'POST', '/v2/team/app/blobs/uploads/')).status, 401)
  })

  test('it makes no token that is wider or lasts longer than itself', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const scopes = [{ permissions: ['repository:pull', 'repository:push', 'project:read'], project: 'team' }]
    const { secret } = await make(alice, { name: 'narrow', scopes, expiresAt })
    const by = (body: object) => as(`Bearer ${secret}`, 'POST', '/api/v1/tokens', { name: 'made', ...body })
    const pull = { permissions: ['repository:pull'], project: 'team' }
    assert.equal((await by({ scopes: [pull], expiresAt })).status, 201)
    assert.equal((await by({ scopes: [{ ...pull, repositories: 'team/*' }], expiresAt })).status, 201)
    for (const body of [
      { expiresAt },
      { scopes: [pull] },
      { scopes: [pull], expiresAt: new Date(Date.now() + 7_200_000).toISOString() },
      { scopes: [{ permissions: ['repository:pull'] }], expiresAt },
      { scopes: [{ permissions: ['repository:pull'], repositories: '**' }], expiresAt },
      { scopes: [pull, { permissions: ['manifest:delete'], project: 'team' }], expiresAt },
      { scopes: [{ permissions: ['user:create'] }], expiresAt },
    ]) {
      assert.equal((await by(body)).status, 403, JSON.stringify(body))
    }
    const issued = await as(basicAuthorization('alice', secret), 'GET', '/token?scope=repository:team/app:pull')
    assert.equal((await as(`Bearer ${String(issued.body['token'])}`, 'POST', '/api/v1/tokens', { name: 'x' })).status, 403)
  })

  test('what is no token is refused', async () => {
    const past = new Date(Date.now() - 1000).toISOString()
    for (const body of [
      {},
      { name: '' },
      { name: 'x', expiresAt: past },
      { name: 'x', expiresAt: 'tomorrow' },
      { name: 'x', scopes: [] },
      { name: 'x', scopes: [{ permissions: [] }] },
      { name: 'x', scopes: [{ permissions: ['repository:fly'] }] },
      { name: 'x', scopes: [{ permissions: ['repository:pull'], project: 'nowhere' }] },
      { name: 'x', scopes: [{ permissions: ['repository:pull'], repositories: 'TEAM/*' }] },
      { name: 'x', userId: 1 },
      { name: 'x', kind: 'robot' },
    ]) {
      assert.equal((await alice.call('POST', '/tokens', body)).status, 400, JSON.stringify(body))
    }
    assert.equal((await people.stranger.call('GET', '/tokens')).status, 401)
    // A project that one may not see is as one that is not there.
    assert.equal(
      (await bob.call('POST', '/tokens', { name: 'x', scopes: [{ permissions: ['repository:pull'], project: 'team' }] })).status,
      400,
    )
  })

  test('it ends when it says, when it is revoked, and for nobody else to revoke', async () => {
    const { secret, token } = await make(alice, { name: 'short' })
    const authorization = `Bearer ${secret}`
    assert.equal((await as(authorization, 'GET', '/api/v1/tokens')).status, 200)
    assert.equal((await bob.call('GET', `/tokens/${token.id}`)).status, 404)
    assert.equal((await bob.call('DELETE', `/tokens/${token.id}`)).status, 404)
    assert.equal((await bob.call('GET', `/users/${alice.id}/tokens`)).status, 403)
    assert.equal((await bob.call('DELETE', `/users/${alice.id}/tokens/${token.id}`)).status, 403)
    assert.equal((await root.call('DELETE', `/users/${bob.id}/tokens/${token.id}`)).status, 404)
    assert.equal((await root.call('GET', `/users/${alice.id}/tokens`)).status, 200)
    assert.equal((await root.call('DELETE', `/users/${alice.id}/tokens/${token.id}`)).status, 204)
    assert.equal((await as(authorization, 'GET', '/api/v1/tokens')).status, 401)
    assert.equal((await alice.call('DELETE', `/tokens/${token.id}`)).status, 404)
  })

  test('pages go on where they ended', async () => {
    const carol = await people.add('carol')
    for (const name of ['a', 'b', 'c']) await make(carol, { name })
    const first = await carol.call('GET', '/tokens?limit=2')
    const second = await carol.call('GET', `/tokens?limit=2&cursor=${String(first.body['next'])}`)
    assert.deepEqual(
      [...(first.body.items ?? []), ...(second.body.items ?? [])].map(({ name }) => name),
      ['a', 'b', 'c'],
    )
    assert.equal(second.body['next'], undefined)
  })
})
