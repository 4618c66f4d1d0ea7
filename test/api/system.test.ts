import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { basicAuthorization } from '../support/http-client.ts'
import { pushImage } from '../support/registry-client.ts'
import { openPeople, type People, type Person } from './people.ts'

const trusted = { 'x-forwarded-for': '203.0.113.9' }

suite('the system over the API', () => {
  let people: People
  let root: Person
  let alice: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    alice = await people.add('alice')
    assert.equal((await root.call('POST', '/projects', { name: 'team', isPublic: true })).status, 201)
    await pushImage(root.registry, 'team/app', 'v1')
  })
  after(() => people[Symbol.asyncDispose]())

  const change = async (body: object, query = '') => {
    const reply = await root.call('PATCH', `/system/settings${query}`, body)
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    return reply
  }
  const pull = (headers: Record<string, string> = {}) => people.stranger.registry.send('/v2/team/app/manifests/v1', { headers })

  test('anyone learns how to sign in and not which version this is', async () => {
    const { body, status } = await people.stranger.call('GET', '/system')
    assert.equal(status, 200)
    assert.deepEqual(body, {
      name: 'Berth',
      banner: null,
      isReadOnly: false,
      authentication: { kind: 'accounts', hasPasswords: true, providers: [] },
    })
    assert.match(String((await alice.call('GET', '/system')).body['version']), /^\d+\.\d+\.\d+/)
  })

  test('information, settings and configuration are for those who may read the system', async () => {
    for (const path of ['/system/information', '/system/settings', '/system/configuration']) {
      assert.equal((await people.stranger.call('GET', path)).status, 401)
      assert.equal((await alice.call('GET', path)).status, 403)
      assert.equal((await root.call('GET', path)).status, 200, path)
    }
    assert.equal((await alice.call('PATCH', '/system/settings', { isReadOnly: true })).status, 403)
    const { counts } = (await root.call('GET', '/system/information')).body as { counts: Record<string, number> }
    assert.deepEqual([counts['repositories'], counts['tags'], counts['users']], [1, 1, 2])
    const { keys } = (await root.call('GET', '/system/configuration')).body as unknown as { keys: { key: string; source: string }[] }
    assert.ok(keys.some(({ key, source }) => key === 'http.addr' && source === 'default'))
  })

  test('settings are changed by their version, each change on record', async () => {
    const { etag } = await root.call('GET', '/system/settings')
    const changed = await root.call(
      'PATCH',
      '/system/settings',
      { banner: { text: 'Maintenance at noon', level: 'warning' } },
      { 'if-match': etag ?? '' },
    )
    assert.equal(changed.status, 200)
    assert.equal((await root.call('PATCH', '/system/settings', { banner: null }, { 'if-match': etag ?? '' })).status, 412)
    assert.deepEqual((await people.stranger.call('GET', '/system')).body['banner'], { text: 'Maintenance at noon', level: 'warning' })
    assert.equal((await change({ banner: null })).etag, '"2"')
    const records = (await root.call('GET', '/audit?action=system.updated')).body.items
    assert.deepEqual(
      records?.map(({ detail }) => (detail as { changed: string[] }).changed),
      [['banner'], ['banner']],
    )
  })

  for (const body of [
    {},
    { unknown: 1 },
    { banner: { text: '', level: 'info' } },
    { networks: { allow: ['10.0.0.0/99'], deny: [] } },
    { networks: { allow: [], deny: ['10.0.0.5/8'] } },
    { version: 7 },
  ]) {
    test(`settings ${JSON.stringify(body)} are refused`, async () => {
      assert.equal((await root.call('PATCH', '/system/settings', body)).status, 400)
    })
  }

  test('a registry that is read-only takes nothing but the end of that', async () => {
    await change({ isReadOnly: true })
    assert.equal((await pull()).status, 200)
    const upload = await root.registry.send('/v2/team/app/blobs/uploads/', { method: 'POST' })
    assert.equal(upload.status, 405)
    assert.match(upload.body.toString(), /UNSUPPORTED/)
    assert.equal((await root.call('POST', '/projects', { name: 'late' })).status, 405)
    assert.equal((await root.call('PATCH', '/system/settings', { banner: null })).status, 405)
    for (const [method, path] of [
      ['PATCH', '/session/account'],
      ['PUT', '/session/password'],
      ['POST', '/session/factors/totp'],
      ['POST', '/session/identities'],
    ] as const)
      assert.equal((await root.call(method, path, {})).status, 405, path)
    await change({ isReadOnly: false })
    assert.equal((await root.registry.send('/v2/team/app/blobs/uploads/', { method: 'POST' })).status, 202)
  })

  test('denied addresses are refused before anybody is asked for a password, behind a trusted proxy too; probes are not', async () => {
    await change({ networks: { allow: [], deny: ['203.0.113.0/24'] } })
    assert.equal((await pull()).status, 200)
    for (const path of ['/v2/', '/v2/team/app/manifests/v1', '/api/v1/system']) {
      const refused = await people.stranger.registry.send(path, {
        headers: { ...trusted, authorization: basicAuthorization('root', 'wrong') },
      })
      assert.equal(refused.status, 403, path)
      assert.match(refused.body.toString(), /ADDRESS_DENIED/)
      assert.match(refused.body.toString(), /203\.0\.113\.9 is not allowed: administrators of the registry set/)
    }
    for (const path of ['/healthz', '/readyz']) assert.equal((await people.stranger.registry.send(path, { headers: trusted })).status, 200)
    await change({ networks: { allow: [], deny: [] } })
    assert.equal((await pull(trusted)).status, 200)
    const records = (await root.call('GET', '/audit?action=access.refused&address=203.0.113.9')).body.items
    assert.deepEqual(
      records?.map(({ count, reason, actor }) => ({ count, reason, actor })),
      [{ count: 3, reason: 'ADDRESS_DENIED', actor: null }],
    )
  })

  test('nobody locks out their own address by mistake', async () => {
    const networks = { allow: ['203.0.113.0/24'], deny: [] }
    const refused = await root.call('PATCH', '/system/settings', { networks })
    assert.deepEqual([refused.status, refused.body['code']], [409, 'CONFLICT'])
    await change({ networks }, '?force=true')
    assert.equal((await pull()).status, 403)
    const saved = await root.call('PATCH', '/system/settings', { networks: { allow: [], deny: [] } }, trusted)
    assert.equal(saved.status, 200)
    assert.equal((await pull()).status, 200)
  })

  test('a project that shuts everybody out is seen and opened again by an administrator of the system, who has nothing of its content', async () => {
    assert.equal((await root.call('POST', '/projects', { name: 'shut' })).status, 201)
    await pushImage(root.registry, 'shut/app', 'v1')
    const owner = await people.add('owner')
    await people.grant(owner, 'project-admin', 'shut')
    const closed = { allow: ['10.9.0.0/16'], deny: [] }
    assert.equal((await root.call('PUT', '/projects/shut/networks?force=true', closed)).status, 200)
    const names = async (person: Person) =>
      ((await person.call('GET', '/projects?limit=100')).body.items ?? []).map(({ name }) => name).includes('shut')
    assert.deepEqual([await names(root), await names(owner)], [true, false])
    assert.equal((await root.call('GET', '/projects/shut')).status, 200)
    assert.equal((await root.call('GET', '/projects/shut/networks')).status, 200)
    for (const [method, path, body] of [
      ['GET', '/projects/shut/labels', undefined],
      ['PATCH', '/projects/shut', { isPublic: true }],
      ['DELETE', '/projects/shut?force=true', undefined],
    ] as const) {
      const refused = await root.call(method, path, body)
      assert.deepEqual([refused.status, refused.body['code']], [403, 'ADDRESS_DENIED'], `${method} ${path}`)
      assert.match(String(refused.body['detail']), /project shut set .* administrators of the registry may from anywhere/)
    }
    assert.equal((await root.registry.send('/v2/shut/app/manifests/v1')).status, 403)
    for (const [method, path] of [
      ['GET', '/projects/shut'],
      ['GET', '/projects/shut/networks'],
      ['PUT', '/projects/shut/networks?force=true'],
    ] as const) {
      const body = method === 'PUT' ? { allow: [], deny: [] } : undefined
      assert.equal((await owner.call(method, path, body)).status, 403, path)
    }
    assert.equal((await root.call('PUT', '/projects/shut/networks', { allow: [], deny: [] })).status, 200)
    assert.equal((await root.registry.send('/v2/shut/app/manifests/v1')).status, 200)
    assert.equal(await names(owner), true)
    assert.equal((await root.call('DELETE', '/projects/shut?force=true')).status, 204)
  })

  test('a project’s networks hold for it and what is below it, and are told only to those who may see it', async () => {
    await root.call('POST', '/projects', { name: 'team/inner', isPublic: true })
    await root.call('POST', '/projects', { name: 'secret' })
    await pushImage(root.registry, 'team/inner/app', 'v1')
    const empty = await root.call('GET', '/projects/team/networks')
    const set = await root.call('PUT', '/projects/team/networks', { allow: ['127.0.0.0/8'], deny: [] }, { 'if-match': empty.etag ?? '' })
    assert.equal(set.status, 200)
    await root.call('PUT', '/projects/secret/networks', { allow: ['127.0.0.0/8'], deny: [] })
    for (const path of ['/v2/team/app/manifests/v1', '/v2/team/inner/app/manifests/v1']) {
      assert.equal((await people.stranger.registry.send(path)).status, 200)
      assert.equal((await people.stranger.registry.send(path, { headers: trusted })).status, 403, path)
    }
    assert.equal((await people.stranger.call('GET', '/projects/team', undefined, trusted)).status, 403)
    assert.equal((await root.call('GET', '/projects/team/labels', undefined, trusted)).status, 403)
    const hidden = await alice.registry.send('/v2/secret/app/manifests/v1', { headers: trusted })
    const absent = await alice.registry.send('/v2/absent/app/manifests/v1', { headers: trusted })
    assert.equal(hidden.body.toString().replaceAll('secret', 'absent'), absent.body.toString())
    assert.doesNotMatch(hidden.body.toString(), /ADDRESS/)
    assert.equal((await root.call('PUT', '/projects/team/networks', { allow: [], deny: ['127.0.0.1'] })).status, 409)
    assert.equal((await root.call('PUT', '/projects/team/networks', { allow: [], deny: [] }, { 'if-match': empty.etag ?? '' })).status, 412)
    assert.equal((await root.call('PUT', '/projects/team/networks', { allow: [], deny: [] })).status, 200)
    assert.equal((await pull(trusted)).status, 200)
    assert.equal((await alice.call('PUT', '/projects/team/networks', { allow: [], deny: [] })).status, 403)
  })

  test('an address over its limit gets 429 with the time to wait; others do not; without a limit nothing is said', async () => {
    assert.equal((await pull()).headers['ratelimit'], undefined)
    await change({ rateLimits: { perAddress: { requestsPerSecond: 0.1, burst: 3 }, perCredential: null } })
    const statuses: number[] = []
    for (let round = 0; round < 4; round++) statuses.push((await pull(trusted)).status)
    assert.deepEqual(statuses, [200, 200, 200, 429])
    const limited = await pull(trusted)
    assert.equal(limited.headers['ratelimit-policy'], '"address";q=3;w=30')
    assert.match(String(limited.headers['ratelimit']), /^"address";r=0;t=\d+$/)
    assert.ok(Number(limited.headers['retry-after']) >= 1)
    assert.match(limited.body.toString(), /TOOMANYREQUESTS/)
    assert.equal((await pull({ 'x-forwarded-for': '203.0.113.10' })).status, 200)
    const guessing = { 'x-forwarded-for': '203.0.113.11', authorization: basicAuthorization('alice', 'wrong') }
    assert.equal((await pull(guessing)).status, 401)
    assert.equal((await pull(guessing)).status, 429)
    await root.call(
      'PATCH',
      '/system/settings',
      { rateLimits: { perAddress: null, perCredential: null } },
      { 'x-forwarded-for': '203.0.113.12' },
    )
    assert.equal((await pull(trusted)).status, 200)
  })

  test('a credential over its limit is refused wherever it comes from', async () => {
    await change({ rateLimits: { perAddress: null, perCredential: { requestsPerSecond: 0.01, burst: 2 } } })
    const asAlice = (address: string) => alice.call('GET', '/system', undefined, { 'x-forwarded-for': address })
    assert.deepEqual(
      [(await asAlice('203.0.113.1')).status, (await asAlice('203.0.113.2')).status, (await asAlice('203.0.113.3')).status],
      [200, 200, 429],
    )
    assert.equal((await pull()).status, 200)
    await change({ rateLimits: { perAddress: null, perCredential: null } })
  })
})
