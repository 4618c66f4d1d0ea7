import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { pushImage } from '../support/registry-client.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { openPeople, type People, type Person } from './people.ts'

type Shown = Readonly<Record<string, unknown>>

const pick = (record: Shown | undefined, names: readonly string[]) => Object.fromEntries(names.map((name) => [name, record?.[name]]))

suite('records of refusals say what they were aimed at and why', () => {
  let people: People
  let root: Person
  let alice: Person
  let mallory: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    alice = await people.add('alice')
    mallory = await people.add('mallory')
    for (const name of ['crew', 'hidden']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    await people.grant(alice, 'guest', 'crew')
    await pushImage(root.registry, 'crew/app', 'v1')
    await pushImage(root.registry, 'hidden/app', 'v1')
  })
  after(() => people[Symbol.asyncDispose]())

  const failures = async (query: string) => (await root.call('GET', `/audit?outcome=failure&${query}`)).body.items ?? []
  const newest = async (query: string) => (await failures(query))[0]

  test('a refused call names project and parameters, and is found by the project', async () => {
    const crew = (await root.call('GET', '/projects/crew')).body['id']
    assert.equal((await alice.call('DELETE', '/projects/crew')).status, 403)
    assert.deepEqual(
      pick(await newest('project=crew'), ['action', 'target', 'project', 'projectId', 'repository', 'actor', 'reason', 'detail']),
      {
        action: 'access.refused',
        target: 'api:DELETE /projects/crew',
        project: 'crew',
        projectId: crew,
        repository: null,
        actor: 'alice',
        reason: 'DENIED',
        detail: { call: 'DELETE /projects/{project}' },
      },
    )
    assert.equal((await alice.call('DELETE', '/repositories/crew%2Fapp')).status, 403)
    assert.deepEqual(pick(await newest('repository=crew/app'), ['target', 'project', 'repository']), {
      target: 'api:DELETE /repositories/crew/app',
      project: 'crew',
      repository: 'crew/app',
    })
    assert.equal((await alice.call('DELETE', `/users/${mallory.id}`)).status, 403)
    assert.equal((await failures(`target=api:DELETE%20/users/${mallory.id}`)).length, 1)
  })

  test('calls that are refused on two things leave two records, alike ones leave one with a count', async () => {
    for (const user of [root.id, root.id, alice.id]) await mallory.call('PATCH', `/users/${user}`, { displayName: 'x' })
    const found = await failures('actor=mallory')
    assert.deepEqual(
      new Map(found.map(({ target, count }) => [target, count])),
      new Map([
        [`api:PATCH /users/${root.id}`, 2],
        [`api:PATCH /users/${alice.id}`, 1],
      ]),
    )
  })

  test('parameters are the caller’s text: no control characters and no pasted secret are put down', async () => {
    const secret = `berth_pat_${'a'.repeat(49)}`
    await mallory.call('DELETE', `/roles/${encodeURIComponent('x\u001b[31m\ny')}`)
    await mallory.call('DELETE', `/roles/${secret}`)
    const targets = (await failures('actor=mallory')).map(({ target }) => String(target)).filter((target) => target.includes('/roles/'))
    assert.deepEqual(targets.toSorted(), ['api:DELETE /roles/x?[31m?y', 'api:DELETE /roles/{role}'])
  })

  test('an attempt on a hidden project is on record there, and the answer is that of a project that is not there', async () => {
    const hidden = await mallory.call('GET', '/projects/hidden')
    const absent = await mallory.call('GET', '/projects/absent')
    assert.deepEqual([hidden.status, absent.status], [404, 404])
    const said = ({ body }: typeof hidden) => JSON.stringify({ ...body, requestId: '' }).replaceAll(/hidden|absent/g, 'X')
    assert.equal(said(hidden), said(absent))
    await mallory.call('GET', '/repositories/hidden%2Fapp')
    await mallory.call('GET', '/repositories/hidden%2Fapp')
    const found = await failures('project=hidden')
    assert.deepEqual(
      found.map(({ target, repository, actor, reason, count }) => ({ target, repository, actor, reason, count })).toReversed(),
      [
        { target: 'api:GET /projects/hidden', repository: null, actor: 'mallory', reason: 'RESOURCE_UNKNOWN', count: 1 },
        { target: 'api:GET /repositories/hidden/app', repository: 'hidden/app', actor: 'mallory', reason: 'RESOURCE_UNKNOWN', count: 2 },
      ],
    )
    assert.deepEqual(await failures('project=absent'), [])
  })

  test('what is missing in a project that the caller sees is no refusal, and neither is a challenge', async () => {
    const before = (await failures('project=crew')).length
    assert.equal((await alice.call('GET', '/repositories/crew%2Fnone')).status, 404)
    assert.equal((await people.stranger.call('GET', '/projects/hidden')).status, 401)
    assert.equal((await failures('project=crew')).length, before)
    assert.deepEqual(await failures('project=hidden&reason=UNAUTHORIZED'), [])
  })

  test('a refused token is named with the cause, and the answer does not tell which', async () => {
    const make = async (name: string) => {
      const { body } = await alice.call('POST', '/tokens', { name })
      return { secret: String(body['secret']), id: Number((body['token'] as Shown | undefined)?.['id'] ?? body['id']) }
    }
    const send = async (secret: string, name = 'alice') => {
      const reply = await people.stranger.registry.send('/v2/', { headers: { authorization: basicAuthorization(name, secret) } })
      return [reply.status, reply.body.toString()]
    }
    const [revoked, strange] = [await make('a'), await make('b')]
    assert.equal((await alice.call('DELETE', `/tokens/${revoked.id}`)).status, 204)
    const answers = [await send(revoked.secret), await send(strange.secret, 'mallory'), await send(`${strange.secret.slice(0, -1)}!`)]
    assert.deepEqual(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1, JSON.stringify(answers))
    const found = await failures('action=login.failed')
    const causeOf = (credential: string) => found.find((record) => record['credential'] === credential)
    assert.deepEqual(pick(causeOf(`personal:${revoked.id}`), ['target', 'reason', 'detail']), {
      target: 'user:alice',
      reason: 'UNAUTHORIZED',
      detail: { cause: 'revoked', hint: revoked.secret.slice(0, 14) },
    })
    assert.deepEqual(pick(causeOf(`personal:${strange.id}`), ['target', 'detail']), {
      target: 'user:alice',
      detail: { cause: 'another-owner', name: 'mallory' },
    })
    assert.ok(found.some(({ credential, detail }) => credential === null && (detail as Shown)['cause'] === 'wrong-secret'))
    assert.equal((await failures(`credential=personal:${revoked.id}`)).length, 1)
    assert.doesNotMatch(JSON.stringify(found), new RegExp(revoked.secret.slice(0, 16)))
    assert.equal((await root.call('PATCH', `/users/${alice.id}`, { isDisabled: true })).status, 200)
    assert.deepEqual((await send(strange.secret))[0], 401)
    assert.deepEqual((await newest(`credential=personal:${strange.id}`))?.['detail'], { cause: 'disabled-account' })
    await root.call('PATCH', `/users/${alice.id}`, { isDisabled: false })
  })

  test('records are found by error code, request and network; a time that ends before it begins is an error', async () => {
    const record = await newest('reason=RESOURCE_UNKNOWN')
    assert.equal(record?.['reason'], 'RESOURCE_UNKNOWN')
    const [same, ...others] = await failures(`requestId=${String(record['requestId'])}`)
    assert.deepEqual([same?.['id'], others], [record['id'], []])
    const count = async (address: string) => (await failures(`limit=1000&address=${encodeURIComponent(address)}`)).length
    const all = (await failures('limit=1000')).length
    assert.deepEqual([await count('127.0.0.0/8'), await count('127.0.0.1/32'), await count('127.0.0.1')], [all, all, all])
    assert.deepEqual([await count('10.0.0.0/8'), await count('::/0'), await count('0.0.0.0/0')], [0, 0, all])
    for (const query of ['address=10.0.0.0/33', 'address=x/8', 'since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z'])
      for (const path of ['/audit', '/audit/export', '/projects/crew/audit'])
        assert.equal((await root.call('GET', `${path}?${query}`)).status, 400, `${path} ${query}`)
  })

  test('a filter that can find nothing, for there is no such address, error code or action, is an error that says so', async () => {
    const filters: readonly (readonly [query: string, says: RegExp])[] = [
      ['address=nonsense', /address must be an address or a network/],
      ['address=10.0.0', /address must be an address or a network/],
      ['reason=NOPE', /reason is no error code: NOPE/],
      ['reason=UNAUTHORISED', /UNAUTHORIZED is one/],
      ['action=foo.bar', /action is none that is recorded: foo\.bar/],
      ['action=foo.*', /action is none that is recorded/],
      ['action=tag', /action is none that is recorded/],
      ['action=tag.move', /tag\.moved is/],
    ]
    for (const [query, says] of filters)
      for (const path of ['/audit', '/audit/export', '/projects/crew/audit', '/projects/crew/audit/export']) {
        const { status, body } = await root.call('GET', `${path}?${query}`)
        assert.deepEqual([status, body['code']], [400, 'REQUEST_INVALID'], `${path} ${query}`)
        assert.match(String(body['detail']), says, query)
      }
    const fine = [
      'address=fe80::1%25eth0',
      'address=192.0.2.9',
      'reason=NAME_TAKEN',
      'reason=rateLimited',
      'action=store.*',
      'project=nosuch',
    ]
    for (const query of fine) assert.deepEqual(await failures(query), [], query)
  })

  test('what read-only mode and limits of rate refuse is on record, many as one', async () => {
    const change = async (settings: object) => assert.equal((await root.call('PATCH', '/system/settings', settings)).status, 200)
    await change({ isReadOnly: true })
    assert.equal((await root.registry.send('/v2/crew/app/blobs/uploads/', { method: 'POST' })).status, 405)
    assert.equal((await root.call('POST', '/projects', { name: 'more' })).status, 405)
    assert.equal((await root.call('DELETE', '/projects/crew')).status, 405)
    await change({ isReadOnly: false, rateLimits: { perAddress: null, perCredential: { requestsPerSecond: 0.01, burst: 2 } } })
    const pulls = []
    for (let round = 0; round < 5; round++) pulls.push((await alice.registry.send('/v2/crew/app/manifests/v1')).status)
    assert.equal(pulls.filter((status) => status === 429).length, 3)
    await change({ rateLimits: { perAddress: null, perCredential: null } })
    const refused = await failures('reason=UNSUPPORTED')
    assert.deepEqual(
      refused.map(({ target, project, repository }) => [target, project, repository]),
      [
        ['api:DELETE /projects/crew', 'crew', null],
        ['api:POST /projects', null, null],
        ['system', 'crew', 'crew/app'],
      ],
    )
    assert.deepEqual(
      (await failures('reason=TOOMANYREQUESTS')).map((record) => [
        pick(record, ['action', 'actor', 'credential', 'count', 'target']),
        (record['detail'] as Shown)['limit'],
      ]),
      [[{ action: 'access.refused', actor: 'alice', credential: 'password', count: 3, target: 'system' }, 'credential']],
    )
  })
})
